import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { capacityOf, type HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import type { AggregateFacts } from '../scheduler/host-state.ts'
import { createHostTable, takeFrom, type HostTable } from '../scheduler/host-table.ts'
import { aggregatesVersion, listAggregates, zoneKey } from '../store/aggregates.ts'
import { describeHosts, listSchedulableHosts } from '../store/hosts.ts'
import { ioLoadOfHosts } from '../store/host-list.ts'
import { servicesVersion } from '../store/services.ts'
import type { Db } from '../store/store.ts'

/**
 * The hosts as the scheduler sees them, in memory. The store stays the judge: a claim that the cache thought good
 * may still fail there. The cache follows our own claims at once, operators' changes by the versions of services and
 * aggregates, and everything else by being read anew every few seconds.
 */
export interface HostCache {
  /**
   * Reads again what operators or others have changed in the store, once for a batch of placements. With
   * `lookedWithinMs` not even looks if it did so that lately.
   */
  refresh(db: Db, lookedWithinMs?: number): Promise<void>
  /** Makes sure that there is something read; to be called before placing. */
  ensure(db: Db): Promise<void>
  /** Forgets what was read. */
  invalidate(): void
  table(): HostTable
  /** Hosts heard of since then are up, milliseconds since 1970; -Infinity while all must be taken to be. */
  upSince(): number
  /** Our own claim (positive) or release (negative) of a host's resources. */
  take(host: string, resources: Resources, sign: 1 | -1): void
  /** A build that was begun with a claim has ended. Hosts where builds fail come last, until one succeeds there. */
  buildEnded(host: string, succeeded: boolean): void
  /** A host's agent was heard of. */
  seen(host: string, at: number): void
  /** What a host's agent says of it was written to the store. */
  described(description: HostDescription): void
  /** Given up on, so that work goes on without it: forced down, or not heard of for the configured time. */
  isDown(host: string): boolean
  /** The clock was set by `ms`, or the process halted: no host is younger or older for it. */
  shift(ms: number): void
  /** Since the conductor's start not every known host had the time to say that it is there. */
  settling(): boolean
}

const readAgainMs = 5000
/** Counting the servers of all hosts costs more than the rest, and our own claims are counted as they are made. */
const countAgainMs = 30_000
/** How long after the start agents have time to show up before it is held against them. */
const settleMs = 15_000
/** Descriptions read at once; a host that reports to another controller is read anew every so many reads. */
const descriptionsAtOnce = 500

export function createHostCache(clock: Clock, settings: Config['hosts']): HostCache {
  let startedAt = clock.now()
  const downAfterMs = settings.downAfterSeconds * 1000
  const heardOf = new Map<string, number>()
  const failedBuilds = new Map<string, number>()
  const descriptions = new Map<string, HostDescription>()
  let loads = new Map<string, { servers: number; ioOps: number }>()
  let table = createHostTable([])
  let version = ''
  let readAt = -Infinity
  let lookedAt = -Infinity
  let countedAt = -Infinity
  let describedUpTo = 0

  async function read(db: Db): Promise<void> {
    const rows = await listSchedulableHosts(db)
    const names = rows.map(({ name }) => name)
    const aggregates = await aggregatesByHost(db)
    await readDescriptions(db, names)
    await readLoads(db)
    table = createHostTable(
      rows.map((row) => {
        const own = aggregates.get(row.name) ?? []
        const zone = own.find(({ metadata }) => metadata[zoneKey] !== undefined)?.metadata[zoneKey]
        const load = loads.get(row.name)
        return {
          ...row,
          availabilityZone: zone ?? settings.defaultAvailabilityZone,
          aggregates: own,
          description: descriptions.get(row.name),
          lastSeenAt: Math.max(row.lastSeenAt, heardOf.get(row.name) ?? 0),
          servers: load?.servers ?? 0,
          ioOps: load?.ioOps ?? 0,
          failedBuilds: failedBuilds.get(row.name) ?? 0,
        }
      }),
    )
  }

  /** Those of hosts that are new to us, and in turn of some that are not. */
  async function readDescriptions(db: Db, names: string[]): Promise<void> {
    const wanted = names.filter((name) => !descriptions.has(name))
    if (describedUpTo >= names.length) describedUpTo = 0
    if (wanted.length < names.length)
      wanted.push(...names.slice(describedUpTo, (describedUpTo += descriptionsAtOnce)))
    for (let i = 0; i < wanted.length; i += descriptionsAtOnce)
      for (const [name, description] of await describeHosts(db, wanted.slice(i, i + descriptionsAtOnce)))
        descriptions.set(name, description)
  }

  async function readLoads(db: Db): Promise<void> {
    const now = clock.now()
    if (now - countedAt < countAgainMs) {
      // What we have counted since stands in the table.
      table.facts.forEach(({ name }, i) =>
        loads.set(name, { servers: table.servers[i]!, ioOps: table.ioOps[i]! }),
      )
      return
    }
    loads = await ioLoadOfHosts(db)
    countedAt = now
  }

  return {
    refresh: async (db, lookedWithinMs = 0) => {
      const now = clock.now()
      if (readAt > -Infinity && now - lookedAt < lookedWithinMs) return
      lookedAt = now
      const current = `${await servicesVersion(db)} ${await aggregatesVersion(db)}`
      if (current === version && now - readAt < readAgainMs) return
      await read(db)
      version = current
      readAt = now
    },
    ensure: async (db) => {
      if (readAt > -Infinity) return
      await read(db)
      readAt = clock.now()
    },
    invalidate: () => {
      readAt = -Infinity
    },
    table: () => table,
    upSince: () => {
      const now = clock.now()
      return now - startedAt <= settleMs ? -Infinity : now - downAfterMs
    },
    take: (name, resources, sign) => {
      const index = table.indexOf.get(name)
      if (index === undefined) return
      takeFrom(table, index, resources, sign)
      if (sign === 1) table.ioOps[index]! += 1
    },
    buildEnded: (name, succeeded) => {
      const failures = succeeded ? 0 : (failedBuilds.get(name) ?? 0) + 1
      if (succeeded) failedBuilds.delete(name)
      else failedBuilds.set(name, failures)
      const index = table.indexOf.get(name)
      if (index === undefined) return
      table.failedBuilds[index] = failures
      table.ioOps[index] = Math.max(table.ioOps[index]! - 1, 0)
    },
    seen: (name, at) => {
      heardOf.set(name, at)
      const index = table.indexOf.get(name)
      if (index !== undefined) table.lastSeenAt[index] = at
    },
    described: (description) => {
      descriptions.set(description.name, description)
      const index = table.indexOf.get(description.name)
      if (index === undefined) readAt = -Infinity
      else describe(table, index, description)
    },
    isDown: (name) => {
      const index = table.indexOf.get(name)
      if (index !== undefined && table.forcedDown[index] === 1) return true
      // While the conductor was away nobody could report to it, so every host gets the full time from our start.
      return clock.now() - Math.max(heardOf.get(name) ?? 0, startedAt) > downAfterMs
    },
    shift: (ms) => {
      startedAt += ms
      for (const [name, at] of heardOf) heardOf.set(name, at + ms)
      for (let i = 0; i < table.size; i += 1) table.lastSeenAt[i]! += ms
      readAt = -Infinity
      countedAt = -Infinity
    },
    settling: () =>
      clock.now() - startedAt < settleMs &&
      (heardOf.size === 0 ||
        // The first report of one is just being written.
        heardOf.size > table.facts.length ||
        table.facts.some(({ name }) => !heardOf.has(name))),
  }
}

async function aggregatesByHost(db: Db): Promise<Map<string, AggregateFacts[]>> {
  const byHost = new Map<string, AggregateFacts[]>()
  for (const { name, metadata, hosts } of await listAggregates(db)) {
    const facts = { name, metadata }
    for (const host of hosts) {
      const known = byHost.get(host)
      if (known) known.push(facts)
      else byHost.set(host, [facts])
    }
  }
  return byHost
}

/** Puts new words of a host into the table; what is taken of it stays. */
function describe(table: HostTable, index: number, description: HostDescription): void {
  table.facts[index] = { ...table.facts[index]!, description }
  table.hypervisorVersion[index] = description.hypervisorVersion
  const columns = [
    [table.capacityVcpus, table.freeVcpus, description.vcpus],
    [table.capacityMemory, table.freeMemory, description.memoryMiB],
    [table.capacityDisk, table.freeDisk, description.diskGiB],
  ] as const
  for (const [capacity, free, inventory] of columns) {
    const more = capacityOf(inventory) - capacity[index]!
    capacity[index]! += more
    free[index]! += more
  }
}
