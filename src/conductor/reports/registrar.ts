import { hash } from 'node:crypto'
import { hostname } from 'node:os'
import type { HostReport } from '../../contract/report.ts'
import { essenceOf, type HostDescription } from '../../model/host.ts'
import { upsertHosts } from '../../store/hosts.ts'
import { ensureService, ensureServices, hostsWithoutService, touchServices } from '../../store/services.ts'
import type { ConductorContext } from '../context.ts'

/**
 * Keeps the rows of hosts and services as the heartbeats say. They are gathered and written together, once a tick, so
 * that thousands of hosts cost a few statements. A host's description is written when it has become another; what is
 * measured on it at most once a minute, and not at all while it stays the same.
 */
export interface Registrar {
  /** A host has said that it lives. */
  alive(host: string): void
  /** A host has said what it is. */
  take(report: HostReport): void
  /** Writes what has come in. To be called every tick. */
  flush(now: number): Promise<void>
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
  stop(): Promise<void>
}

/** What was written last of a host; texts by their hashes, as there are many hosts. */
interface KnownHost {
  essence: string
  measured: string
  bootedAt: number
  writtenAt: number
}

const measuredEveryMs = 60_000
/** Rounded seconds and two clocks: a boot that seems to have been so much earlier or later is the same. */
const sameBootMs = 5_000
const ownHeartbeatMs = 10_000
/** Descriptions in one transaction. */
const describedAtOnce = 100
/** Signs of life in one statement. */
const touchedAtOnce = 500
/** What another controller wrote so lately is not written again. */
const heardByOthersMs = 2_000

export function createRegistrar(context: ConductorContext): Registrar {
  const { writer, clock, hosts, log, config } = context
  const known = new Map<string, KnownHost>()
  let reports = new Map<string, HostReport>()
  let heard = new Set<string>()
  let flushing: Promise<void> | null = null
  let isNewcomerWaiting = false
  let ownHeartbeatAt = -Infinity
  let stopped = false
  const ownHost = config.agent.hostName ?? hostname()
  const withinMs = Math.min(heardByOthersMs, config.hosts.downAfterSeconds * 100)

  async function writeDescriptions(all: HostReport[], now: number): Promise<void> {
    const due: { description: HostDescription; mark: KnownHost }[] = []
    for (const { description } of all) {
      const mark = markOf(description, now)
      const before = known.get(description.name)
      // A boot is not to wander with the rounding of each report.
      if (before && isSameBoot(before, mark)) mark.bootedAt = before.bootedAt
      if (isDue(before, mark)) due.push({ description: { ...description, bootedAt: mark.bootedAt }, mark })
    }
    if (due.length === 0) return
    const newcomers = due.map(({ description }) => description.name).filter((name) => !known.has(name))
    await writer.write(async (trx) => {
      await upsertHosts(
        trx,
        due.map(({ description }) => description),
        now,
      )
      const unserved = await hostsWithoutService(trx, 'nova-compute', newcomers)
      await ensureServices(trx, 'nova-compute', unserved, now)
    })
    for (const { description, mark } of due) {
      known.set(description.name, mark)
      hosts.described(description)
    }
  }

  async function writeSignsOfLife(
    names: string[],
    described: Map<string, HostReport>,
    now: number,
  ): Promise<void> {
    const gone = await writer.write(async (trx) => {
      const touched = await touchServices(trx, 'nova-compute', names, now, withinMs)
      return touched < names.length ? hostsWithoutService(trx, 'nova-compute', names) : []
    })
    // A service that an operator deleted while its host lives comes back once the host says again what it is.
    for (const name of gone) known.delete(name)
    const back = gone.map((name) => described.get(name)).filter((report) => report !== undefined)
    await writeDescriptions(back, now)
  }

  async function flushPending(now: number): Promise<void> {
    const described = reports
    const alive = [...heard]
    reports = new Map()
    heard = new Set()
    isNewcomerWaiting = false
    for (const batch of batchesOf([...described.values()], describedAtOnce))
      await orLog(
        () => writeDescriptions(batch, now),
        batch.map(({ host }) => host),
      )
    for (const batch of batchesOf(alive, touchedAtOnce))
      await orLog(() => writeSignsOfLife(batch, described, now), batch)
  }

  /** Each batch for itself: one that cannot be written holds up no other. */
  async function orLog(write: () => Promise<void>, names: string[]): Promise<void> {
    try {
      await write()
    } catch (error) {
      log.error({ err: error, hosts: names }, 'reports of hosts could not be written')
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
        do await flushPending(now)
        while (isNewcomerWaiting)
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
    alive: (host) => {
      if (stopped) return
      hosts.seen(host, clock.now())
      heard.add(host)
    },
    take: (report) => {
      if (stopped || report.host !== report.description.name) return
      reports.set(report.host, report)
      if (known.has(report.host) || isNewcomerWaiting) return
      // A host that is new here is wanted at once; known ones wait for the tick.
      isNewcomerWaiting = true
      setImmediate(() => void flushNewcomer())
    },
    flush,
    idle: async () => {
      await flushing
    },
    stop: async () => {
      stopped = true
      reports.clear()
      heard.clear()
      await flushing
    },
  }
}

const markOf = (description: HostDescription, now: number): KnownHost => ({
  essence: hash('sha1', essenceOf(description)),
  measured: hash('sha1', JSON.stringify({ ...description, uptimeSeconds: 0 })),
  bootedAt: now - description.uptimeSeconds * 1000,
  writtenAt: now,
})

const isSameBoot = (one: KnownHost, other: KnownHost): boolean =>
  Math.abs(one.bootedAt - other.bootedAt) <= sameBootMs

function isDue(before: KnownHost | undefined, now: KnownHost): boolean {
  if (!before || before.essence !== now.essence || before.bootedAt !== now.bootedAt) return true
  return before.measured !== now.measured && now.writtenAt - before.writtenAt >= measuredEveryMs
}

function* batchesOf<T>(all: T[], size: number): Generator<T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size)
}
