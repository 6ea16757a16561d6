import { LodgeError } from '../../base/errors.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import type { DomainEvent, LifecycleEvent } from '../hypervisor.ts'
import type { DomainDefinition } from './read-domain-xml.ts'

/**
 * One domain and the ways it changes, with libvirt's rules, words and events:
 *
 *              start                    suspend
 *   shut off ---------> running <---------------------> paused
 *      ^                   |            resume             |
 *      +---- power off, destroy, managed save, crash ------+
 *
 * A transient domain (undefined while it ran) is gone once it is shut off.
 */
export interface SimulatedDomain {
  readonly uuid: string
  readonly name: string
  readonly definition: DomainDefinition
  readonly state: PowerState
  readonly active: boolean
  readonly paused: boolean
  readonly managedSave: boolean
  /** Nothing is left of it. */
  readonly gone: boolean
  /** Counts the starts, so that what an earlier life of the guest had planned can be told from this one's. */
  readonly life: number
  readonly startedAt: number
  define(definition: DomainDefinition): void
  undefine(): void
  start(options: { paused: boolean; discardSaved: boolean }): void
  suspend(): void
  resume(): void
  managedSaveNow(): void
  dropSaved(): void
  /** The guest powers itself off. */
  powerOff(): void
  /** The power is cut. */
  destroy(graceful: boolean): void
  /** Its QEMU process dies. */
  crash(): void
  reboot(): void
  pauseForIoError(device: string, reason: string): void
  /** Has a guest that ran on another host. */
  arrive(options: { paused: boolean }): void
  /** Its guest runs on another host now; nothing of it stays here. */
  leave(): void
}

export function createSimulatedDomain(
  first: DomainDefinition,
  emit: (event: DomainEvent) => void,
  now: () => number,
): SimulatedDomain {
  const { uuid } = first
  let persistent: DomainDefinition | undefined
  let live: DomainDefinition | undefined
  let saved: { paused: boolean; definition: DomainDefinition } | undefined
  let state: PowerState = powerState.SHUTDOWN
  let life = 0
  let startedAt = 0

  const lifecycle = (event: LifecycleEvent, detail: string): void =>
    emit({ type: 'lifecycle', uuid, event, detail, powerState: state })

  function stopped(detail: string): void {
    live = undefined
    state = powerState.SHUTDOWN
    lifecycle('stopped', detail)
  }

  function needActive(): void {
    if (!live) throw invalid('domain is not running')
  }

  return {
    uuid,
    name: first.name,
    get definition() {
      return live ?? persistent ?? first
    },
    get state() {
      return state
    },
    get active() {
      return live !== undefined
    },
    get paused() {
      return state === powerState.PAUSED
    },
    get managedSave() {
      return saved !== undefined
    },
    get gone() {
      return !live && !persistent
    },
    get life() {
      return life
    },
    get startedAt() {
      return startedAt
    },

    define(definition) {
      const detail = persistent ? 'updated' : 'added'
      persistent = definition
      lifecycle('defined', detail)
    },
    undefine() {
      if (!persistent) throw invalid('cannot undefine transient domain')
      persistent = undefined
      saved = undefined
      lifecycle('undefined', 'removed')
    },
    start({ paused, discardSaved }) {
      if (live) throw invalid('domain is already running')
      const restored = discardSaved ? undefined : saved
      saved = undefined
      live = restored?.definition ?? persistent
      life++
      startedAt = now()
      state = powerState.RUNNING
      // QEMU starts its guest standing still, so a boot begins with a resume and a restore ends with one.
      const staysPaused = paused || restored?.paused === true
      if (!restored && !staysPaused) lifecycle('resumed', 'unpaused')
      lifecycle('started', restored ? 'restored' : 'booted')
      if (restored && !staysPaused) lifecycle('resumed', 'from-snapshot')
      if (staysPaused) {
        state = powerState.PAUSED
        lifecycle('suspended', restored ? 'restored' : 'paused')
      }
    },
    suspend() {
      needActive()
      if (state === powerState.PAUSED) return
      state = powerState.PAUSED
      lifecycle('suspended', 'paused')
    },
    resume() {
      needActive()
      if (state === powerState.RUNNING) throw invalid('domain is already running')
      state = powerState.RUNNING
      lifecycle('resumed', 'unpaused')
    },
    managedSaveNow() {
      needActive()
      if (!persistent) throw invalid('cannot do managed save for transient domain')
      saved = { paused: state === powerState.PAUSED, definition: live ?? persistent }
      if (!saved.paused) {
        state = powerState.PAUSED
        lifecycle('suspended', 'paused')
      }
      stopped('saved')
    },
    dropSaved() {
      saved = undefined
    },
    powerOff() {
      if (!live) return
      state = powerState.SHUTDOWN
      lifecycle('shutdown', 'guest')
      stopped('shutdown')
    },
    destroy(graceful) {
      needActive()
      // To end QEMU at once, its guest is halted first.
      if (!graceful && state === powerState.RUNNING) {
        state = powerState.PAUSED
        lifecycle('suspended', 'paused')
      }
      state = powerState.SHUTDOWN
      lifecycle('shutdown', 'host')
      stopped('destroyed')
    },
    crash() {
      needActive()
      stopped('failed')
    },
    reboot() {
      if (live) emit({ type: 'reboot', uuid })
    },
    pauseForIoError(device, reason) {
      needActive()
      state = powerState.PAUSED
      emit({ type: 'io-error', uuid, device, reason })
      lifecycle('suspended', 'ioerror')
    },
    arrive({ paused }) {
      live = persistent
      life++
      startedAt = now()
      state = powerState.PAUSED
      lifecycle('started', 'migrated')
      if (paused) return
      state = powerState.RUNNING
      lifecycle('resumed', 'migrated')
    },
    leave() {
      needActive()
      if (state === powerState.RUNNING) {
        state = powerState.PAUSED
        lifecycle('suspended', 'migrated')
      }
      stopped('migrated')
      persistent = undefined
      saved = undefined
      lifecycle('undefined', 'removed')
    },
  }
}

const invalid = (words: string): LodgeError =>
  new LodgeError('conflict', `Requested operation is not valid: ${words}`)
