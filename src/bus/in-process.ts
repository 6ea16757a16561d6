import type { Outcome, QueryTable } from '../contract/command.ts'
import { LodgeError } from '../base/errors.ts'
import type { AgentEndpoint, Bus, WorkedInReport } from './bus.ts'

/** One host's endpoint, and the callers that wait for it. */
interface Served {
  endpoint: AgentEndpoint
  waiting: Set<(reason: LodgeError) => void>
}

/**
 * The bus of a single process: calls instead of messages. Whoever waits for an agent that stops serving is told
 * so, as by a broken connection.
 */
export function createInProcessBus(): Bus {
  const hosts = new Map<string, Served>()
  const listeners = new Set<(report: WorkedInReport) => void>()
  const hearers = new Set<(host: string) => void>()

  function call<T>(host: string, work: (endpoint: AgentEndpoint) => Promise<T>): Promise<T> {
    const served = hosts.get(host)
    if (!served) return Promise.reject(unreachable(host))
    return new Promise((resolve, reject) => {
      served.waiting.add(reject)
      work(served.endpoint)
        .then(resolve, reject)
        .finally(() => served.waiting.delete(reject))
    })
  }

  return {
    send: (command) =>
      call(command.host, (endpoint) => endpoint.command(command)) as Promise<Outcome<typeof command.verb>>,
    ask: (query) =>
      call(query.host, (endpoint) => endpoint.query(query)) as Promise<
        QueryTable[typeof query.name]['result']
      >,
    onReport(listener) {
      listeners.add(listener)
    },
    onHeartbeat(listener) {
      hearers.add(listener)
    },
    async serve(host, endpoint) {
      if (hosts.has(host)) throw new LodgeError('conflict', `An agent for host ${host} is running already`)
      const served: Served = { endpoint, waiting: new Set() }
      hosts.set(host, served)
      return async () => {
        if (hosts.get(host) === served) hosts.delete(host)
        for (const reject of served.waiting) reject(unreachable(host))
        served.waiting.clear()
      }
    },
    async report(report) {
      if (report.type === 'host' || report.type === 'alive') for (const hear of hearers) hear(report.host)
      if (report.type === 'alive') return
      // Said to nobody it is not said: a host that thinks it is known would describe itself no more for a while.
      if (listeners.size === 0) throw new LodgeError('unavailable', 'No controller listens yet')
      for (const listener of listeners) listener(report)
    },
  }
}

const unreachable = (host: string): LodgeError =>
  new LodgeError('unavailable', `The agent of host ${host} cannot be reached`)
