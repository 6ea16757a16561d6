import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import { seededRandom } from '../../base/seeded-random.ts'
import type { Hypervisor } from '../hypervisor.ts'

/** A call of the hypervisor that can be slow or fail. */
export type SimulatedCall = Exclude<
  {
    [K in keyof Hypervisor]: Hypervisor[K] extends (...args: never[]) => Promise<unknown> ? K : never
  }[keyof Hypervisor],
  'close'
>

export interface SimulatedFailure {
  /** How many calls fail; from then on they succeed again. */
  times: number
  error: LodgeError
  /** Only calls for this domain. */
  uuid?: string
  /** The call does its work, and the answer is lost: what a broken connection looks like. */
  after?: boolean
}

/** Milliseconds for every call, or by call. Each one is varied by up to a half, from the seed. */
export type SimulatedLatency = number | Partial<Record<SimulatedCall, number>>

export interface CallBehaviour {
  /** Runs a call's work after its latency, unless it is to fail. */
  run<T>(call: SimulatedCall, uuid: string | undefined, work: () => T | Promise<T>): Promise<T>
  fail(call: SimulatedCall, failure: SimulatedFailure): void
  setLatency(latency: SimulatedLatency): void
  /** From now on no call comes back, until what this returns is called. */
  hang(): () => void
  /** Tells each call as it comes in. Returns how to stop. */
  watch(listener: (call: SimulatedCall, uuid: string | undefined) => void): () => void
}

export interface CallBehaviourOptions {
  clock: Clock
  latency: SimulatedLatency
  seed: number
  connected: () => boolean
}

/** How slow calls are and which of them fail. */
export function createCallBehaviour(options: CallBehaviourOptions): CallBehaviour {
  const random = seededRandom(options.seed)
  const failures = new Map<SimulatedCall, SimulatedFailure[]>()
  const listeners = new Set<Parameters<CallBehaviour['watch']>[0]>()
  let latency = options.latency
  let hanging: PromiseWithResolvers<void> | undefined

  function takeFailure(call: SimulatedCall, uuid: string | undefined): SimulatedFailure | undefined {
    const failure = failures
      .get(call)
      ?.find((one) => one.times > 0 && (one.uuid === undefined || one.uuid === uuid))
    if (failure) failure.times--
    return failure
  }

  function checkConnection(): void {
    if (!options.connected()) throw new LodgeError('unavailable', 'internal error: client socket is closed')
  }

  async function attempt<T>(
    call: SimulatedCall,
    uuid: string | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> {
    checkConnection()
    for (const listener of listeners) listener(call, uuid)
    await hanging?.promise
    const failure = takeFailure(call, uuid)
    const ms = typeof latency === 'number' ? latency : (latency[call] ?? 0)
    // Never within the same turn of the event loop, as no real call comes back in it.
    if (ms > 0) await options.clock.sleep(ms * (0.5 + random()))
    else await setImmediate()
    if (failure && !failure.after) throw failure.error
    if (!failure) checkConnection()
    const result = await work()
    if (failure) throw failure.error
    return result
  }

  return {
    async run(call, uuid, work) {
      try {
        return await attempt(call, uuid, work)
      } catch (error) {
        // As libvirt's errors do, it says which call failed.
        if (error instanceof LodgeError) error.details.call ??= call
        throw error
      }
    },
    fail(call, failure) {
      failures.set(call, [...(failures.get(call) ?? []), { ...failure }])
    },
    setLatency(wanted) {
      latency = wanted
    },
    hang() {
      const mine = (hanging ??= Promise.withResolvers<void>())
      return () => {
        mine.resolve()
        if (hanging === mine) hanging = undefined
      }
    },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
