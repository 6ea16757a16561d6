import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { Logger } from '../base/logging.ts'
import type { Bus } from '../bus/bus.ts'
import type { Action } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { finishAction, leaseActions, releaseLeases, renewLeases } from '../store/actions.ts'
import { getServers } from '../store/servers.ts'
import type { Store } from '../store/store.ts'
import type { ConductorContext } from './context.ts'
import { createAutoEvacuation } from './auto-evacuation.ts'
import { createDrains } from './drains.ts'
import { createEvacuatedHosts } from './evacuated-hosts.ts'
import { createGroupWriter } from './group-writer.ts'
import { createHostCache } from './host-cache.ts'
import { createOwnerNames } from './owner-names.ts'
import { createPurge } from './purge.ts'
import { createReclaim } from './reclaim.ts'
import { createRegistrar } from './reports/registrar.ts'
import { listenToReports } from './reports/listen.ts'
import { createResizeSweep } from './resize-sweep.ts'
import { createRuns } from './runs.ts'

export interface ConductorOptions {
  store: Store
  bus: Bus
  clock: Clock
  log: Logger
  config: Config
  /** Owner of the leases: unique among conductors and over restarts. */
  id: string
  /** This is the only conductor of the store: at start all leases of former ones are void. */
  takeOverAll?: boolean
  /** For tests of crashes; see ConductorContext. */
  failpoint?: (point: string) => void
}

export interface Conductor {
  start(): Promise<void>
  /** Stops at the next point between two transactions; what is not finished stays for the next conductor. */
  stop(): Promise<void>
  /** There are new actions. Cheap; may be called any number of times. */
  wake(): void
  /** Resolves when no action is in work and none waits: for tests. */
  idle(): Promise<void>
}

/** Actions leased at once, and in work at most. */
const leaseLimit = 64
const maxRuns = 4096
const tickMs = 1000
/** A tick that comes by so much too early or too late tells of a clock that was set, or of a halt of the process. */
const jumpMs = 10_000

/**
 * Takes durable actions from the store and brings each to its end; keeps hosts and power states as the agents report
 * them. Woken for new actions; one slow tick looks after deadlines, leases and heartbeats.
 */
export function createConductor(options: ConductorOptions): Conductor {
  const { store, bus, clock, log, config, id } = options
  const hosts = createHostCache(clock, config.hosts, store)
  const writer = createGroupWriter(store, () => hosts.invalidate())
  const names = createOwnerNames(store, clock)
  const context: ConductorContext = {
    store,
    bus,
    clock,
    log,
    config,
    id,
    writer,
    hosts,
    names,
    wake,
    failpoint: options.failpoint,
  }
  let starved = false
  const runs = createRuns(context, {
    onEnd: () => {
      if (!starved) return
      starved = false
      wake()
    },
  })
  const registrar = createRegistrar(context)
  const purge = createPurge(context)
  const drain = createDrains(context)
  const evacuateDead = createAutoEvacuation(context)
  const cleanEvacuated = createEvacuatedHosts(context)
  const sweepResizes = createResizeSweep(context)
  const reclaim = createReclaim(context)
  const leaseMs = config.conductor.leaseSeconds * 1000

  const stopping = new AbortController()
  let takeOver: 'expired' | 'all' | undefined
  let wanted = false
  let leasing: Promise<void> | null = null
  let ticking: Promise<void> | null = null

  function wake(): void {
    wanted = true
    if (!stopping.signal.aborted) leasing ??= leaseAll()
  }

  async function leaseAll(): Promise<void> {
    await Promise.resolve()
    try {
      while (wanted && !stopping.signal.aborted) {
        wanted = false
        const room = Math.min(leaseLimit, maxRuns - runs.count())
        // With no room left the next run that ends wakes us.
        starved = room <= 0
        if (starved) break
        const leased = await lease(room)
        for (const { action, server } of leased) if (server) runs.begin(action, server)
        if (leased.length === room) wanted = true
      }
    } catch (error) {
      log.error({ err: error }, 'leasing actions failed; the next tick tries again')
      takeOver ??= 'expired'
    } finally {
      leasing = null
    }
  }

  async function lease(limit: number): Promise<{ action: Action; server: Server | undefined }[]> {
    const from = takeOver
    const leased = await writer.write(async (trx) => {
      const actions = await leaseActions(trx, { owner: id, now: clock.now(), leaseMs, limit, takeOver: from })
      const servers = await getServers(trx, [...new Set(actions.map((action) => action.serverId))])
      const byId = new Map(servers.map((server) => [server.id, server]))
      if (actions.some((action) => action.name === 'create')) await hosts.refresh(trx)
      for (const action of actions.filter(({ serverId }) => !byId.has(serverId))) {
        log.error({ action: action.id, server: action.serverId }, 'an action of no server is closed')
        await finishAction(trx, action.id, { owner: id, state: 'failed', message: 'Error', now: clock.now() })
      }
      return actions.map((action) => ({ action, server: byId.get(action.serverId) }))
    })
    if (leased.length < limit) takeOver = undefined
    return leased
  }

  async function tick(): Promise<void> {
    let renewAt = clock.now() + leaseMs / 3
    let lookAt = clock.now() + leaseMs / 2
    while (!stopping.signal.aborted) {
      const dueAt = clock.now() + tickMs
      try {
        await clock.sleep(tickMs, stopping.signal)
      } catch {
        return
      }
      const now = clock.now()
      const jump = now - dueAt
      if (Math.abs(jump) > jumpMs) {
        log.warn({ ms: jump }, 'the clock was set, or this process halted; deadlines are moved by as much')
        runs.shiftDeadlines(jump)
        hosts.shift(jump)
        renewAt = lookAt = now
      }
      try {
        runs.checkDeadlines(now)
        await registrar.flush(now)
        if (now >= renewAt) {
          renewAt = now + leaseMs / 3
          if (runs.count() > 0) await writer.write((trx) => renewLeases(trx, id, now + leaseMs))
        }
        if (now >= lookAt) {
          lookAt = now + leaseMs / 2
          takeOver ??= 'expired'
          wake()
        } else if (takeOver) wake()
        await purge(now)
        await sweepResizes(now)
        await reclaim(now)
        await drain(now)
        await evacuateDead(now)
        await cleanEvacuated(now)
      } catch (error) {
        log.error({ err: error }, 'the conductor could not write; the next tick tries again')
      }
    }
  }

  return {
    start: async () => {
      listenToReports(context, registrar)
      await registrar.flush(clock.now())
      takeOver = options.takeOverAll ? 'all' : 'expired'
      wake()
      await leasing
      ticking = tick()
    },
    stop: async () => {
      stopping.abort()
      await leasing
      await runs.stop()
      await ticking
      await registrar.stop()
      await writer.idle()
      await store.transaction((trx) => releaseLeases(trx, id))
    },
    wake,
    idle: async () => {
      for (;;) {
        await leasing
        await runs.idle()
        await registrar.idle()
        await writer.idle()
        if (!leasing && runs.count() === 0) return
      }
    },
  }
}
