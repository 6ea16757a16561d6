import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { Resources } from '../model/server-spec.ts'
import type { HostState } from '../scheduler/place.ts'
import { listSchedulableHosts } from '../store/hosts.ts'
import { servicesVersion } from '../store/services.ts'
import type { Db } from '../store/store.ts'

/**
 * The hosts as the scheduler sees them, in memory. The store stays the judge: a claim that the cache thought good
 * may still fail there. The cache follows our own claims at once, operators' changes by the services' version, and
 * everything else by being read anew every few seconds.
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
  states(): readonly HostState[]
  /** Our own claim (positive) or release (negative) of a host's resources. */
  take(host: string, resources: Resources, sign: 1 | -1): void
  /** A host's agent was heard of. */
  seen(host: string, at: number): void
  /** Given up on, so that work goes on without it: forced down, or not heard of for the configured time. */
  isDown(host: string): boolean
  /** The clock was set by `ms`, or the process halted: no host is younger or older for it. */
  shift(ms: number): void
  /** Since the conductor's start not every known host had the time to say that it is there, or to be written down. */
  settling(): boolean
}

interface CachedHost extends HostState {
  lastSeenAt: number
}

const readAgainMs = 5000
/** How long after the start agents have time to show up before it is held against them. */
const settleMs = 15_000

export function createHostCache(clock: Clock, settings: Config['hosts']): HostCache {
  let startedAt = clock.now()
  const downAfterMs = settings.downAfterSeconds * 1000
  const heardOf = new Map<string, number>()
  let hosts: CachedHost[] = []
  let byName = new Map<string, CachedHost>()
  let version = ''
  let readAt = -Infinity
  let lookedAt = -Infinity

  const isUp = (host: CachedHost, now: number): boolean =>
    !host.forcedDown && (now - host.lastSeenAt <= downAfterMs || now - startedAt <= settleMs)

  async function read(db: Db): Promise<void> {
    const rows = await listSchedulableHosts(db)
    hosts = rows.map((row) => ({
      ...row,
      availabilityZone: settings.defaultAvailabilityZone,
      up: true,
      lastSeenAt: Math.max(row.lastSeenAt, heardOf.get(row.name) ?? 0),
    }))
    byName = new Map(hosts.map((host) => [host.name, host]))
  }

  return {
    refresh: async (db, lookedWithinMs = 0) => {
      const now = clock.now()
      if (readAt > -Infinity && now - lookedAt < lookedWithinMs) return
      lookedAt = now
      const current = await servicesVersion(db)
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
    states: () => {
      const now = clock.now()
      for (const host of hosts) host.up = isUp(host, now)
      return hosts
    },
    take: (name, resources, sign) => {
      const host = byName.get(name)
      if (!host) return
      host.used = {
        vcpus: host.used.vcpus + sign * resources.vcpus,
        memoryMiB: host.used.memoryMiB + sign * resources.memoryMiB,
        diskGiB: host.used.diskGiB + sign * resources.diskGiB,
      }
    },
    seen: (name, at) => {
      heardOf.set(name, at)
      const host = byName.get(name)
      if (host) host.lastSeenAt = at
    },
    isDown: (name) => {
      const host = byName.get(name)
      if (host?.forcedDown) return true
      // While the conductor was away nobody could report to it, so every host gets the full time from our start.
      return clock.now() - Math.max(heardOf.get(name) ?? 0, startedAt) > downAfterMs
    },
    shift: (ms) => {
      startedAt += ms
      for (const [name, at] of heardOf) heardOf.set(name, at + ms)
      for (const host of hosts) host.lastSeenAt += ms
      readAt = -Infinity
    },
    settling: () =>
      clock.now() - startedAt < settleMs &&
      (heardOf.size === 0 ||
        hosts.some((host) => !heardOf.has(host.name)) ||
        // Its first report is just being written.
        [...heardOf.keys()].some((name) => !byName.has(name))),
  }
}
