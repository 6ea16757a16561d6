import { LodgeError } from '../base/errors.ts'
import type { Bus } from './bus.ts'

/**
 * A bus that may come later, for an agent: it starts, and looks after its guests, before anybody can be reached.
 * Serving waits for the bus; what it would report meanwhile is not delivered, and comes with the first census.
 */
export function lateBus(coming: Promise<Bus>): Bus {
  let come: Bus | undefined
  coming.then(
    (bus) => {
      come = bus
    },
    () => {},
  )
  const now = (): Bus => {
    if (come) return come
    throw new LodgeError('unavailable', 'There is no connection to NATS yet')
  }
  return {
    send: async (command) => now().send(command),
    ask: async (query) => now().ask(query),
    onReport: (listener) => now().onReport(listener),
    onHeartbeat: (listener) => now().onHeartbeat(listener),
    serve: async (host, endpoint) => (await coming).serve(host, endpoint),
    report: async (report) => now().report(report),
  }
}
