import { hostname } from 'node:os'
import type { HostReport } from '../../contract/report.ts'
import type { HostDescription } from '../../model/host.ts'
import { upsertHost } from '../../store/hosts.ts'
import { ensureService, touchServices } from '../../store/services.ts'
import type { Db } from '../../store/store.ts'
import type { ConductorContext } from '../context.ts'

/**
 * Keeps the rows of hosts and services as the heartbeats say. Heartbeats are gathered and written together, once a
 * tick, so that thousands of hosts cost one statement; a host's description is written when it changes in a way
 * that matters, else once a minute.
 */
export interface Registrar {
  take(report: HostReport): void
  /** Writes what has come in. To be called every tick. */
  flush(now: number): Promise<void>
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
  stop(): Promise<void>
}

interface KnownHost {
  /** The description without what changes all the time. */
  essence: string
  writtenAt: number
}

const describeEveryMs = 60_000
const ownHeartbeatMs = 10_000
/** Hosts in one transaction. */
const batchSize = 50

export function createRegistrar(context: ConductorContext): Registrar {
  const { writer, clock, hosts, log, config } = context
  const known = new Map<string, KnownHost>()
  let pending = new Map<string, HostReport>()
  let flushing: Promise<void> | null = null
  let ownHeartbeatAt = -Infinity
  let stopped = false
  const ownHost = config.agent.hostName ?? hostname()

  async function writeBatch(reports: HostReport[], now: number): Promise<void> {
    const changed = reports.filter((report) => isDue(known.get(report.host), report.description, now))
    await writer.write(async (trx) => {
      for (const report of changed) await describe(trx, report, now)
      const names = reports.map((report) => report.host)
      const touched = await touchServices(trx, 'nova-compute', names, now)
      // A service that an operator deleted while its host lives comes back.
      if (touched < names.length) await readmit(trx, reports, now)
    })
    for (const { host, description } of changed)
      known.set(host, { essence: essenceOf(description), writtenAt: now })
    for (const { description } of changed) hosts.described(description)
  }

  async function describe(trx: Db, report: HostReport, now: number): Promise<void> {
    await upsertHost(trx, report.description, now)
    if (!known.has(report.host)) await ensureService(trx, { binary: 'nova-compute', host: report.host }, now)
  }

  async function readmit(trx: Db, reports: HostReport[], now: number): Promise<void> {
    for (const report of reports) {
      await upsertHost(trx, report.description, now)
      await ensureService(trx, { binary: 'nova-compute', host: report.host }, now)
    }
  }

  async function flushPending(now: number): Promise<void> {
    const reports = [...pending.values()]
    pending = new Map()
    for (let i = 0; i < reports.length; i += batchSize) {
      const batch = reports.slice(i, i + batchSize)
      try {
        await writeBatch(batch, now)
      } catch (error) {
        log.error(
          { err: error, hosts: batch.map(({ host }) => host) },
          'reports of hosts could not be written',
        )
      }
    }
  }

  async function ownHeartbeat(now: number): Promise<void> {
    // Also after the clock was set back.
    if (Math.abs(now - ownHeartbeatAt) < ownHeartbeatMs) return
    const isFirst = ownHeartbeatAt === -Infinity
    await writer.write(async (trx) => {
      for (const binary of ['nova-conductor', 'nova-scheduler'] as const) {
        if (isFirst) await ensureService(trx, { binary, host: ownHost }, now)
        await touchServices(trx, binary, [ownHost], now)
      }
    })
    ownHeartbeatAt = now
  }

  async function flush(now: number): Promise<void> {
    if (flushing) return flushing
    flushing = (async () => {
      try {
        while (pending.size > 0) await flushPending(now)
        await ownHeartbeat(now)
      } finally {
        flushing = null
      }
    })()
    return flushing
  }

  async function flushNewcomer(): Promise<void> {
    try {
      await flush(clock.now())
    } catch (error) {
      log.error({ err: error }, 'a heartbeat could not be written; the next tick tries again')
    }
  }

  return {
    take: (report) => {
      if (stopped || report.host !== report.description.name) return
      hosts.seen(report.host, clock.now())
      pending.set(report.host, report)
      // A host that is new here is wanted at once; known ones wait for the tick.
      if (!known.has(report.host)) setImmediate(() => void flushNewcomer())
    },
    flush,
    idle: async () => {
      await flushing
    },
    stop: async () => {
      stopped = true
      pending.clear()
      await flushing
    },
  }
}

function isDue(host: KnownHost | undefined, description: HostDescription, now: number): boolean {
  if (!host || now - host.writtenAt >= describeEveryMs) return true
  return host.essence !== essenceOf(description)
}

function essenceOf(description: HostDescription): string {
  return JSON.stringify({
    ...description,
    uptimeSeconds: 0,
    loadAverage: 0,
    memoryUsedMiB: 0,
    diskFreeGiB: 0,
  })
}
