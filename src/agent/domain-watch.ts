import type { Clock } from '../base/clock.ts'
import type { DomainEvent, Hypervisor } from '../hypervisor/hypervisor.ts'
import { powerState, type PowerState } from '../model/server-state.ts'

/** Follows the hypervisor's events, so that nobody has to ask again and again what a domain does. */
export interface DomainWatch {
  /** The power state by the last event or listing; undefined for a domain nothing was heard of. */
  state(uuid: string): PowerState | undefined
  /** Domains that have a guest in memory. */
  activeCount(): number
  /** Takes over what a listing of all domains said. */
  replace(states: Map<string, PowerState>): void
  /**
   * Waits for the next event of the domain that `matches`. Events count from the moment of the call, so call it
   * before asking for what is to be waited for.
   */
  expect(
    uuid: string,
    matches: (event: DomainEvent) => boolean,
    ms: number,
    signal: AbortSignal,
  ): ExpectedEvent
  stop(): void
}

export interface ExpectedEvent extends Disposable {
  /** Undefined after the time, when the signal was aborted, or once disposed of. Never rejects. */
  readonly event: Promise<DomainEvent | undefined>
}

export function createDomainWatch(hypervisor: Hypervisor, clock: Clock): DomainWatch {
  let states = new Map<string, PowerState>()
  const waiting = new Map<string, Set<(event: DomainEvent) => void>>()

  function note(event: DomainEvent): void {
    // What begins with `shutdown` ends with `stopped`, or with a reboot.
    if (event.type === 'lifecycle' && event.event !== 'shutdown') {
      if (event.event === 'undefined' && !isActive(event.powerState)) states.delete(event.uuid)
      else states.set(event.uuid, event.powerState)
    }
    for (const listener of waiting.get(event.uuid) ?? []) listener(event)
  }

  function listen(uuid: string, listener: (event: DomainEvent) => void): () => void {
    const listeners = waiting.get(uuid) ?? new Set()
    waiting.set(uuid, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) waiting.delete(uuid)
    }
  }

  const stop = hypervisor.onEvent(note)
  return {
    state: (uuid) => states.get(uuid),
    activeCount: () => states.values().filter(isActive).toArray().length,
    replace(wanted) {
      states = new Map(wanted)
    },
    expect(uuid, matches, ms, signal) {
      const { promise, resolve } = Promise.withResolvers<DomainEvent | undefined>()
      const over = new AbortController()
      const finish = (event?: DomainEvent): void => {
        unlisten()
        over.abort()
        resolve(event)
      }
      const unlisten = listen(uuid, (event) => {
        if (matches(event)) finish(event)
      })
      clock.sleep(ms, AbortSignal.any([over.signal, signal])).then(
        () => finish(),
        () => finish(),
      )
      return { event: promise, [Symbol.dispose]: () => finish() }
    },
    stop,
  }
}

/** There is a guest in memory, running or not. */
export const isActive = (state: PowerState): boolean =>
  state === powerState.RUNNING || state === powerState.PAUSED || state === powerState.SUSPENDED

/** The guest is off after this event. */
export const saysOff = (event: DomainEvent): boolean =>
  event.type === 'lifecycle' && (event.event === 'stopped' || event.event === 'crashed')
