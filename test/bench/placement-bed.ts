/** What the section of placements and its claimers work on: many hosts of several sizes, and a conductor's placing. */
import { sql } from 'kysely'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { newUuid } from '../../src/base/ids.ts'
import { createGroupWriter } from '../../src/conductor/group-writer.ts'
import { createHostCache } from '../../src/conductor/host-cache.ts'
import { placeServer } from '../../src/conductor/place-server.ts'
import type { ConductorContext } from '../../src/conductor/context.ts'
import type { HostDescription } from '../../src/model/host.ts'
import type { Server } from '../../src/model/server.ts'
import { insertPlacement } from '../../src/store/placements.ts'
import type { Db, Store } from '../../src/store/store.ts'
import { aDescription, aFlavor } from '../support/scheduler-bed.ts'

/** Hosts of these many vCPUs take turns; each has a GiB of memory and 20 GiB of disk for each. */
const sizes = [8, 16, 32, 64]
const rowsAtOnce = 500
const hourMs = 3_600_000

/** Adds hosts of four sizes that are in use up to a half, by one allocation each; or empty ones of the smallest size. */
export async function addHosts(
  store: Store,
  count: number,
  kind: 'in use' | 'small' = 'in use',
): Promise<void> {
  const now = Date.now()
  for (let from = 0; from < count; from += rowsAtOnce) {
    const hosts = Array.from({ length: Math.min(rowsAtOnce, count - from) }, (_, i) => hostOf(from + i, kind))
    await store.transaction(async (trx) => {
      await trx
        .insertInto('hosts')
        .values(
          hosts.map(({ name, capacity, used }) => ({
            id: newUuid(),
            name,
            description_json: JSON.stringify(descriptionOf(name, capacity)),
            capacity_vcpus: capacity,
            capacity_memory_mib: capacity * 1024,
            capacity_disk_gib: capacity * 20,
            used_vcpus: used,
            used_memory_mib: used * 512,
            used_disk_gib: used * 5,
            created_at: now,
          })),
        )
        .execute()
      await trx
        .insertInto('services')
        .values(
          hosts.map(({ name }) => ({
            id: newUuid(),
            binary: 'nova-compute' as const,
            host: name,
            disabled: 0 as const,
            disabled_reason: null,
            forced_down: 0 as const,
            // Nobody reports here, and the run may take longer than hosts may be silent.
            last_seen_at: now + hourMs,
            created_at: now,
            updated_at: now,
          })),
        )
        .execute()
      await trx
        .insertInto('allocations')
        .values(
          hosts.map(({ name, used }) => ({
            server_id: `before-${name}`,
            host: name,
            vcpus: used,
            memory_mib: used * 512,
            disk_gib: used * 5,
            created_at: now,
          })),
        )
        .execute()
    })
  }
}

function hostOf(index: number, kind: 'in use' | 'small'): { name: string; capacity: number; used: number } {
  const capacity = kind === 'small' ? sizes[0]! : sizes[index % sizes.length]!
  return { name: `host-${index}`, capacity, used: kind === 'small' ? 0 : (index * 7) % (capacity / 2) }
}

const descriptionOf = (name: string, vcpus: number): HostDescription => ({
  ...aDescription(name),
  vcpus: { total: vcpus, reserved: 0, allocationRatio: 1 },
  memoryMiB: { total: vcpus * 1024, reserved: 0, allocationRatio: 1 },
  diskGiB: { total: vcpus * 20, reserved: 0, allocationRatio: 1 },
})

/** What each placed server takes of a host. */
export const vcpusOfServer = 2

export interface Placer {
  /** Reads the hosts for the first time, and opens connections to do so. */
  prepare(): Promise<void>
  /** Places a server; the name of its host once choice, claim and reasons are on disk, null when nothing fits. */
  place(): Promise<string | null>
}

/**
 * As a conductor: what waits is taken in batches, each with one look at what operators and others have changed; then
 * each server is placed in its piece of the group writer's work, its reasons with it.
 */
export function createPlacer(store: Store): Placer {
  const hosts = createHostCache(systemClock, defaultConfig.hosts, store)
  const writer = createGroupWriter(store, () => hosts.invalidate())
  const context = { store, writer, hosts, clock: systemClock, config: defaultConfig } as ConductorContext
  const waiting: (() => void)[] = []
  let isTaking = false

  async function takeAll(): Promise<void> {
    isTaking = true
    while (waiting.length > 0) {
      await hosts.refresh(store.db)
      for (const begin of waiting.splice(0, leasedAtOnce)) begin()
    }
    isTaking = false
  }

  return {
    prepare: async () => {
      await Promise.all(Array.from({ length: store.connections }, () => sql`select 1`.execute(store.db)))
      await hosts.ensure(store.db)
    },
    place: () =>
      new Promise((resolve, reject) => {
        waiting.push(() => placeOne(context).then(resolve, reject))
        if (!isTaking) takeAll().catch(reject)
      }),
  }
}

/** As the conductor's own limit. */
const leasedAtOnce = 64

function placeOne(context: ConductorContext): Promise<string | null> {
  const server = {
    id: newUuid(),
    projectId: 'project',
    flavor: aFlavor({ vcpus: vcpusOfServer, memoryMiB: 512, rootGiB: 1 }),
    image: null,
    availabilityZone: null,
    schedulerHints: {},
  } as unknown as Server
  const work = async (trx: Db): Promise<string | null> => {
    const { host, reasons, ...placed } = await placeServer(trx, context, { server })
    if (host !== null && 'resources' in placed) context.hosts.take(host, placed.resources, 1)
    const requestId = `req-${server.id}`
    const now = context.clock.now()
    await insertPlacement(trx, { requestId, serverId: server.id, chosenHost: host, reasons, now })
    return host
  }
  return context.writer.write(work, { waitsForNoLocks: true })
}

/** Sums up: how many hosts have more allocated than they have, or another amount than they think. */
export async function overCommitted(store: Store): Promise<number> {
  const rows = await store.db
    .selectFrom('allocations')
    .innerJoin('hosts', 'hosts.name', 'allocations.host')
    .select((of) => [
      'host',
      'capacity_vcpus',
      'used_vcpus',
      'capacity_memory_mib',
      'used_memory_mib',
      of.fn.sum<number>('allocations.vcpus').as('vcpus'),
      of.fn.sum<number>('allocations.memory_mib').as('memory'),
    ])
    .groupBy(['host', 'capacity_vcpus', 'used_vcpus', 'capacity_memory_mib', 'used_memory_mib'])
    .execute()
  return rows.filter(
    (row) =>
      Number(row.vcpus) > row.capacity_vcpus ||
      Number(row.vcpus) !== row.used_vcpus ||
      Number(row.memory) > row.capacity_memory_mib ||
      Number(row.memory) !== row.used_memory_mib,
  ).length
}
