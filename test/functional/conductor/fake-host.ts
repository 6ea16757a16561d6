import { LodgeError } from '../../../src/base/errors.ts'
import type { Bus } from '../../../src/bus/bus.ts'
import type { Command, Fault, Outcome, Verb } from '../../../src/contract/command.ts'
import type { HostDescription } from '../../../src/model/host.ts'
import { powerState, type PowerState } from '../../../src/model/server-state.ts'
import { aHost } from '../../support/store-records.ts'

/** A stand-in for an agent: guests in memory, commands journaled by id and one at a time per server, as an agent does. */
export interface FakeHost {
  name: string
  guests: Map<string, PowerState>
  /** Commands as they were carried out, repetitions left out. */
  carriedOut: Command[]
  /** How many came in, repetitions included. */
  received: number
  /** Set to make commands fail. */
  fault: ((command: Command) => Fault | undefined) | null
  /** Set to give commands results of their own. */
  answer: ((command: Command) => object | undefined) | null
  /** Set to hold commands up. */
  hold: ((command: Command) => Promise<void>) | null
  description: HostDescription
  report(): Promise<void>
  leave(): Promise<void>
  join(): Promise<void>
}

export interface HostSize {
  vcpus?: number
  memoryMiB?: number
  diskGiB?: number
}

/** Makes a host that serves on the bus and reports itself once. */
export async function startFakeHost(bus: Bus, name: string, size: HostSize = {}): Promise<FakeHost> {
  const journal = new Map<string, Promise<Outcome>>()
  const queues = new Map<string, Promise<unknown>>()
  let stop: (() => Promise<void>) | null = null

  const host: FakeHost = {
    name,
    guests: new Map(),
    carriedOut: [],
    received: 0,
    fault: null,
    answer: null,
    hold: null,
    description: aHost(name, { memoryMiB: 16_384, ...size }),
    report: async () => {
      try {
        await bus.report({
          version: 1,
          type: 'host',
          host: name,
          at: Date.now(),
          description: host.description,
        })
      } catch {
        // No conductor is there yet. An agent goes on as well, and says it again later.
      }
    },
    leave: async () => {
      await stop?.()
      stop = null
    },
    join: async () => {
      stop = await bus.serve(name, {
        command: (command) => {
          host.received += 1
          const known = journal.get(command.id)
          if (known) return known
          const before = queues.get(command.serverId) ?? Promise.resolve()
          const outcome = before.then(() => carryOut(host, command))
          queues.set(command.serverId, outcome)
          journal.set(command.id, outcome)
          return outcome
        },
        query: async (query) => {
          const serverId = 'serverId' in query.params ? query.params.serverId : ''
          const result = { powerState: host.guests.get(serverId) ?? powerState.NOSTATE, output: '' }
          return result as never
        },
      })
    },
  }
  await host.join()
  await host.report()
  return host
}

async function carryOut(host: FakeHost, command: Command): Promise<Outcome> {
  host.carriedOut.push(command)
  await host.hold?.(command)
  const fault = host.fault?.(command)
  if (fault) return { ok: false, fault }
  const answer = host.answer?.(command)
  if (answer) return { ok: true, result: answer as never }
  const power = effects[command.verb]
  if (power === null) host.guests.delete(command.serverId)
  else if (power !== undefined) host.guests.set(command.serverId, power)
  const now = host.guests.get(command.serverId) ?? powerState.NOSTATE
  const result = { powerState: now, machineType: 'pc-fake-1', rootDeviceName: '/dev/vda', sizeBytes: 1 }
  return { ok: true, result: result as never }
}

/** The guest's power state after each verb; null: no guest; undefined: as before. */
const effects: Partial<Record<Verb, PowerState | null>> = {
  spawn: powerState.RUNNING,
  destroy: null,
  start: powerState.RUNNING,
  stop: powerState.SHUTDOWN,
  reboot: powerState.RUNNING,
  pause: powerState.PAUSED,
  unpause: powerState.RUNNING,
  suspend: powerState.SHUTDOWN,
  resume: powerState.RUNNING,
}

export const aFault = (retry: Fault['retry'], message = 'it broke'): Fault => ({
  kind: 'internal',
  code: 500,
  message,
  details: `libvirt said: ${message}`,
  retry,
})

export const unreachable = (): LodgeError => new LodgeError('unavailable', 'nobody there')
