import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { PowerReport } from '../contract/report.ts'
import type { DomainEvent, DomainSummary, Hypervisor } from '../hypervisor/hypervisor.ts'
import { powerState, type PowerState } from '../model/server-state.ts'
import { saysOff } from './domain-watch.ts'

/**
 * Tells the controller of guests that changed by themselves. What a command of ours does to a guest is not news:
 * its outcome tells it. That a guest went off is held back for a moment, in which it may start again, as it does
 * when it is rebooted from outside.
 */
export interface PowerReports {
  /** What the controller knows from an outcome or a census. Events since then are looked at again. */
  told(serverId: string, state: PowerState): void
  /** Something was done to the guest of which nobody was told the end: a command failed, or the host booted. */
  recheck(serverId: string): void
  forget(serverId: string): void
  stop(): void
}

export interface PowerReportsOptions {
  host: string
  hypervisor: Hypervisor
  isOurs: (serverId: string) => boolean
  busy: (serverId: string) => boolean
  /** The power state by the events so far. */
  stateByEvents: (serverId: string) => PowerState | undefined
  send: (report: PowerReport) => void
  /** What a guest was found to be that changed by itself; not called for one that was ended together with its host. */
  seen: (serverId: string, domain: DomainSummary) => void
  /** How long a stop is held back. Nova waits 15 s, since its events may overtake its own commands. */
  holdBackMs?: number
  clock: Clock
  log: Logger
}

export function createPowerReports(options: PowerReportsOptions): PowerReports {
  const { hypervisor, clock, holdBackMs = 1_000 } = options
  const told = new Map<string, PowerState>()
  /** The cause of the look that is planned for a server. */
  const planned = new Map<string, { cause: string; cancel: AbortController }>()

  /** Whose QEMU was told to end, as it is when the host goes down: the guest did not go off by itself. */
  const endedByHost = new Set<string>()

  function onEvent(event: DomainEvent): void {
    const { uuid } = event
    noteEnd(event)
    const cause = causeOf(event)
    if (cause === undefined || !options.isOurs(uuid)) return
    if (event.type === 'io-error')
      options.log.warn({ server: uuid, device: event.device, reason: event.reason }, 'guest had an I/O error')
    // Of an I/O error the pause that follows says less.
    const first = planned.get(uuid)?.cause
    plan(uuid, first?.startsWith('io-error') ? first : cause, saysOff(event) ? holdBackMs : 0)
  }

  function noteEnd(event: DomainEvent): void {
    if (event.type !== 'lifecycle') return
    if (event.event === 'shutdown' && event.detail === 'host') endedByHost.add(event.uuid)
    if (event.event === 'started' || event.event === 'undefined') endedByHost.delete(event.uuid)
  }

  function plan(serverId: string, cause: string, ms: number): void {
    planned.get(serverId)?.cancel.abort()
    const cancel = new AbortController()
    planned.set(serverId, { cause, cancel })
    clock.sleep(ms, cancel.signal).then(
      () => {
        planned.delete(serverId)
        void look(serverId, cause)
      },
      () => {},
    )
  }

  /** Reports what the hypervisor says now, if that is news. */
  async function look(serverId: string, cause: string): Promise<void> {
    if (options.busy(serverId)) return
    let domain: DomainSummary | undefined
    try {
      domain = await hypervisor.findDomain(serverId)
    } catch (error) {
      // The census after the reconnection tells it.
      options.log.info({ server: serverId, reason: messageOf(error) }, 'power state unknown')
      return
    }
    const state = domain?.powerState ?? powerState.NOSTATE
    if (options.busy(serverId) || !options.isOurs(serverId)) return
    if (domain && !endedByHost.has(serverId)) options.seen(serverId, domain)
    if (told.get(serverId) === state) return
    told.set(serverId, state)
    const at = clock.now()
    options.send({ version: 1, type: 'power', host: options.host, at, serverId, powerState: state, cause })
  }

  const unsubscribe = hypervisor.onEvent(onEvent)
  return {
    told(serverId, state) {
      told.set(serverId, state)
      const byEvents = options.stateByEvents(serverId)
      if (byEvents === undefined || byEvents === state) return
      plan(serverId, planned.get(serverId)?.cause ?? 'changed during a command', holdBackMs)
    },
    recheck: (serverId) => plan(serverId, 'looked at again', 0),
    forget(serverId) {
      told.delete(serverId)
      planned.get(serverId)?.cancel.abort()
      planned.delete(serverId)
    },
    stop() {
      unsubscribe()
      for (const { cancel } of planned.values()) cancel.abort()
      planned.clear()
    },
  }
}

/** In words such as `stopped (shutdown)`; undefined when the event says nothing about power. */
function causeOf(event: DomainEvent): string | undefined {
  if (event.type === 'io-error') return `io-error (${event.device}: ${event.reason})`
  if (event.type !== 'lifecycle' || ['defined', 'undefined', 'shutdown'].includes(event.event))
    return undefined
  return `${event.event} (${event.detail})`
}
