import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import { describeHost, takeFrom, type HostTable } from '../scheduler/host-table.ts'
import type { Db, Store } from '../store/store.ts'
import { createFleetReader } from './fleet-reader.ts'

/**
 * The hosts as the scheduler sees them, in memory. The store stays the judge: a claim that the cache thought good
 * may still fail there. The cache follows our own claims at once, operators' changes as soon as it looks, and what
 * other controllers do by reading all hosts anew every few seconds, a few at a time.
 */
export interface HostCache {
  /**
   * Reads what operators have changed in the store, and of the rest what is due; once for a batch of placements. With
   * `lookedWithinMs` not even looks if it did so that lately.
   */
  refresh(db: Db, lookedWithinMs?: number): Promise<void>
  /** To be called before placing: reads what was given up by `invalidate`, or never read. */
  ensure(db: Db): Promise<void>
  /**
   * Reads the numbers of all hosts, unless that was done lately. Returns whether it did: before one says that no host
   * fits, since others may have left some.
   */
  readAll(db: Db): Promise<boolean>
  /** What is known of these hosts, or of all, is not to be relied upon. */
  invalidate(hosts?: readonly string[]): void
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
  /** An operator, or a fence, has said that the host is off. */
  isForcedDown(host: string): boolean
  /** The clock was set by `ms`, or the process halted: no host is younger or older for it. */
  shift(ms: number): void
  /** Since the conductor's start not every known host had the time to say that it is there. */
  settling(): boolean
}

/** How long after the start agents have time to show up before it is held against them. */
const settleMs = 15_000

/** @param beside where it runs several transactions at once, nobody waits for what is read in rounds */
export function createHostCache(clock: Clock, settings: Config['hosts'], beside?: Store): HostCache {
  let startedAt = clock.now()
  let lookedAt = -Infinity
  const downAfterMs = settings.downAfterSeconds * 1000
  const heardOf = new Map<string, number>()
  const failedBuilds = new Map<string, number>()
  const reader = createFleetReader({
    defaultZone: settings.defaultAvailabilityZone,
    heardOf: (name) => heardOf.get(name) ?? 0,
    failedBuilds: (name) => failedBuilds.get(name) ?? 0,
    beside: beside && beside.connections > 1 ? beside.db : undefined,
  })

  function isForcedDown(name: string): boolean {
    const table = reader.table()
    const index = table.indexOf.get(name)
    return index !== undefined && table.forcedDown[index] === 1
  }

  return {
    refresh: async (db, lookedWithinMs = 0) => {
      const now = clock.now()
      if (now - lookedAt < lookedWithinMs) return
      lookedAt = now
      await reader.follow(db, now)
    },
    ensure: (db) => reader.ensure(db, clock.now()),
    readAll: (db) => reader.readAll(db, clock.now()),
    invalidate: (hosts) => reader.invalidate(hosts),
    table: () => reader.table(),
    upSince: () => {
      const now = clock.now()
      return now - startedAt <= settleMs ? -Infinity : now - downAfterMs
    },
    take: (name, resources, sign) => {
      const table = reader.table()
      const index = table.indexOf.get(name)
      if (index === undefined) return
      takeFrom(table, index, resources, sign)
      if (sign === 1) table.ioOps[index]! += 1
    },
    buildEnded: (name, succeeded) => {
      const failures = succeeded ? 0 : (failedBuilds.get(name) ?? 0) + 1
      if (succeeded) failedBuilds.delete(name)
      else failedBuilds.set(name, failures)
      const table = reader.table()
      const index = table.indexOf.get(name)
      if (index === undefined) return
      table.failedBuilds[index] = failures
      table.ioOps[index] = Math.max(table.ioOps[index]! - 1, 0)
    },
    seen: (name, at) => {
      heardOf.set(name, at)
      const table = reader.table()
      const index = table.indexOf.get(name)
      if (index !== undefined) table.lastSeenAt[index] = at
    },
    described: (description) => {
      const table = reader.table()
      const index = table.indexOf.get(description.name)
      if (index === undefined) reader.invalidate([description.name])
      else describeHost(table, index, description)
    },
    isForcedDown,
    isDown: (name) => {
      if (isForcedDown(name)) return true
      // While the conductor was away nobody could report to it, so every host gets the full time from our start.
      return clock.now() - Math.max(heardOf.get(name) ?? 0, startedAt) > downAfterMs
    },
    shift: (ms) => {
      const table = reader.table()
      startedAt += ms
      for (const [name, at] of heardOf) heardOf.set(name, at + ms)
      for (let i = 0; i < table.size; i += 1) table.lastSeenAt[i]! += ms
      reader.invalidate()
    },
    settling: () =>
      clock.now() - startedAt < settleMs &&
      (heardOf.size === 0 ||
        // The first report of one is just being written.
        heardOf.size > reader.table().size ||
        reader.table().facts.some(({ name }) => !heardOf.has(name))),
  }
}
