/**
 * The scheduler with its claims: over ten thousand hosts in SQLite, how long a placement takes and how many a second;
 * in PostgreSQL, whether eight conductors that claim at once ever give out more than there is.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { createGroupWriter } from '../../src/conductor/group-writer.ts'
import { createHostCache, type HostCache } from '../../src/conductor/host-cache.ts'
import { placeServer } from '../../src/conductor/place-server.ts'
import type { ConductorContext } from '../../src/conductor/context.ts'
import type { Server } from '../../src/model/server.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { upsertHost } from '../../src/store/hosts.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import { ensureService } from '../../src/store/services.ts'
import type { Store } from '../../src/store/store.ts'
import { startPrivatePostgres } from '../support/private-postgres.ts'
import { aDescription, aFlavor } from '../support/scheduler-bed.ts'
import { sampleOf, timed } from './measure.ts'
import type { Row } from './row.ts'

const hosts = 10_000
const placements = 2000
const claimers = 8
/** Each takes two vCPUs of a host's eight: with so few hosts eight conductors run into each other all the time. */
const crowdedHosts = 20

export async function placementSection(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-placement-'))
  const store = await openSqliteStore({ path: join(directory, 'lodge.db') })
  try {
    await addHosts(store, hosts)
    const context = contextOf(store)
    const warm = await manyOneByOne(context, 50)
    const single = await manyOneByOne(context, 300)
    const milliseconds = await timed(() => many(context, placements))
    const growth = await Promise.all([100, 1000].map((count) => p99Among(directory, count)))
    const over = await crowd()
    const row = (what: string, lodge: number, unit: Row['unit'], promise: Row['promise'], count: number) => ({
      what,
      raw: null,
      lodge,
      unit,
      promise,
      count,
    })
    return [
      row(
        'a placement with its claim, 10,000 hosts, median',
        single.median,
        'ms',
        { kind: 'at most', value: 5 },
        warm.count,
      ),
      row('the same, p99', single.p99, 'ms', { kind: 'at most', value: 5 }, single.count),
      row('the same among 1,000 hosts, p99', growth[1]!, 'ms', { kind: 'at most', value: 5 }, 300),
      row('the same among 100 hosts, p99', growth[0]!, 'ms', { kind: 'at most', value: 5 }, 300),
      row(
        'placements with claims, 10,000 hosts',
        (placements / milliseconds) * 1000,
        '/s',
        { kind: 'at least', value: 1000 },
        placements,
      ),
      row(
        'share of hosts that eight claimers at once gave too much of',
        (over / crowdedHosts) * 100,
        '%',
        { kind: 'at most', value: 0 },
        crowdedHosts,
      ),
    ]
  } finally {
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function contextOf(store: Store): ConductorContext {
  const cache: HostCache = createHostCache(systemClock, defaultConfig.hosts)
  const writer = createGroupWriter(store, () => cache.invalidate())
  return { store, writer, hosts: cache, clock: systemClock, config: defaultConfig } as ConductorContext
}

/** One placement at a time, each in a transaction of its own that is thrown to disk with the others' by no one. */
async function manyOneByOne(context: ConductorContext, count: number) {
  const times: number[] = []
  for (let i = 0; i < count; i += 1) times.push(await timed(async () => void (await placeOne(context))))
  return sampleOf(times)
}

async function many(context: ConductorContext, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => placeOne(context)))
}

/** As the conductor does it: in the group writer's transaction. Null: nothing fits any more. */
function placeOne(context: ConductorContext): Promise<string | null> {
  const server = {
    id: newUuid(),
    projectId: 'project',
    flavor: aFlavor({ vcpus: 2, memoryMiB: 512, rootGiB: 1 }),
    image: null,
    availabilityZone: null,
    schedulerHints: {},
  } as unknown as Server
  return context.writer.write(async (trx) => {
    const placed = await placeServer(trx, context, { server })
    if (placed.host !== null) context.hosts.take(placed.host, placed.resources, 1)
    return placed.host
  })
}

async function p99Among(directory: string, count: number): Promise<number> {
  const store = await openSqliteStore({ path: join(directory, `${count}.db`) })
  try {
    await addHosts(store, count)
    const context = contextOf(store)
    await manyOneByOne(context, 50)
    return (await manyOneByOne(context, 300)).p99
  } finally {
    await store.close()
  }
}

/** Eight conductors on PostgreSQL, each with a view of its own, fill a few hosts. Returns how many were over-committed. */
async function crowd(): Promise<number> {
  const postgres = await startPrivatePostgres()
  const url = await postgres.database()
  const stores: Store[] = []
  try {
    for (let i = 0; i < claimers; i += 1) stores.push(await openPostgresStore({ url, log: silentLogger() }))
    await addHosts(stores[0]!, crowdedHosts)
    const perClaimer = crowdedHosts
    await Promise.all(
      stores.map(async (store) => {
        const context = contextOf(store)
        for (let i = 0; i < perClaimer; i += 1) await placeOne(context)
      }),
    )
    const allocated = await stores[0]!.db
      .selectFrom('allocations')
      .innerJoin('hosts', 'hosts.name', 'allocations.host')
      .select((of) => [
        'host',
        'capacity_vcpus',
        'used_vcpus',
        of.fn.sum<number>('allocations.vcpus').as('sum'),
      ])
      .groupBy(['host', 'capacity_vcpus', 'used_vcpus'])
      .execute()
    const total = allocated.reduce((sum, row) => sum + Number(row.sum), 0)
    if (total !== crowdedHosts * 8) throw new RangeError(`${total} vCPUs were claimed of ${crowdedHosts * 8}`)
    return allocated.filter(
      (row) => Number(row.sum) > row.capacity_vcpus || Number(row.sum) !== row.used_vcpus,
    ).length
  } finally {
    for (const store of stores) await store.close()
    await postgres.stop()
  }
}

async function addHosts(store: Store, count: number): Promise<void> {
  const now = Date.now()
  for (let from = 0; from < count; from += 500)
    await store.transaction(async (trx) => {
      for (let i = from; i < Math.min(from + 500, count); i += 1) {
        const name = `host-${i}`
        await upsertHost(trx, { ...aDescription(name), id: newUuid() }, now)
        await ensureService(trx, { binary: 'nova-compute', host: name }, now)
      }
    })
}
