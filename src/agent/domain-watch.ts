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
   * The next event of the domain that `matches`, or undefined after `ms` or when the signal is aborted. Events
   * count from the moment of the call, so call it before asking for what is to be waited for. Never rejects.
   */
  next(
    uuid: string,
    matches: (event: DomainEvent) => boolean,
    ms: number,
    signal: AbortSignal,
  ): Promise<DomainEvent | undefined>
  stop(): void
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
    next(uuid, matches, ms, signal) {
      return new Promise((resolve) => {
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
      })
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
