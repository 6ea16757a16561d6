import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { defaultConfig } from '../../../src/base/config.ts'
import { createHostCache, type HostCache } from '../../../src/conductor/host-cache.ts'
import { addAggregateHost, insertAggregate } from '../../../src/store/aggregates.ts'
import { claimOneOf } from '../../../src/store/allocations.ts'
import { deleteHost, upsertHost } from '../../../src/store/hosts.ts'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'
import { deleteService, ensureService, listServices, updateService } from '../../../src/store/services.ts'
import type { Store } from '../../../src/store/store.ts'
import { aHost } from '../../support/store-records.ts'
import { until } from '../../support/until.ts'

const claimed = { vcpus: 1, memoryMiB: 100, diskGiB: 1 }

describe('the hosts that the conductor keeps in memory', () => {
  let store: Store
  let now: number
  let cache: HostCache
  beforeEach(async () => {
    store = await openSqliteStore({ path: ':memory:' })
    now = 1_000_000
    cache = createHostCache({ now: () => now, sleep: async () => undefined }, defaultConfig.hosts)
    for (const name of ['a', 'b', 'c']) await addHost(name)
    await cache.ensure(store.db)
  })
  afterEach(() => store.close())

  const addHost = (name: string): Promise<void> =>
    store.transaction(async (trx) => {
      await upsertHost(trx, aHost(name), now)
      await ensureService(trx, { binary: 'nova-compute', host: name }, now)
    })
  /** As another controller claims: the cache is not told. */
  const othersClaim = (host: string, serverId: string): Promise<string | null> =>
    store.transaction((trx) => claimOneOf(trx, [host], { serverId, resources: claimed }, now))
  const names = (): string[] => cache.table().facts.map(({ name }) => name)
  const free = (name: string): number => cache.table().freeVcpus[cache.table().indexOf.get(name)!]!
  const at = (name: string): number => cache.table().indexOf.get(name)!

  it('learns of new hosts and of operators at the next look', async () => {
    now += 1
    await addHost('d')
    const [service] = await listServices(store.db, { host: 'b' })
    await updateService(store.db, service!.id, { disabled: true }, now)
    const aggregate = await insertAggregate(store.db, 'north', { availability_zone: 'north' }, now)
    await addAggregateHost(store.db, aggregate.number, 'd', now)
    await cache.refresh(store.db)
    assert.deepEqual(names(), ['a', 'b', 'c', 'd'])
    assert.equal(cache.table().disabled[at('b')], 1)
    assert.equal(cache.table().disabled[at('d')], 0)
    assert.equal(cache.table().facts[at('d')]?.availabilityZone, 'north')
    assert.equal(cache.table().facts[at('d')]?.description?.name, 'd')
    assert.equal(cache.table().facts[at('a')]?.availabilityZone, 'nova')
  })

  it('learns of what other controllers took within some seconds', async () => {
    const before = free('a')
    await othersClaim('a', 's1')
    await cache.refresh(store.db)
    assert.equal(free('a'), before)
    now += 5000
    await cache.refresh(store.db)
    assert.equal(free('a'), before - 1)
  })

  it('where transactions run at once, reads rounds beside them, unless nobody has looked for long', async () => {
    const many = { ...store, connections: 4 }
    cache = createHostCache({ now: () => now, sleep: async () => undefined }, defaultConfig.hosts, many)
    for (let i = 0; i < 200; i += 1) await addHost(`more-${i}`)
    await cache.refresh(store.db)
    const before = free('a')
    await othersClaim('a', 's1')
    now += 3000
    await cache.refresh(store.db)
    await until('the round to come by', 5000, async () => free('a') === before - 1)
    await othersClaim('a', 's2')
    now += 5000
    await cache.refresh(store.db)
    assert.equal(free('a'), before - 2)
  })

  it('reads hosts that are in doubt before the next placement, and only those', async () => {
    const before = free('a')
    await othersClaim('a', 's1')
    await othersClaim('b', 's2')
    cache.invalidate(['a', 'nobody'])
    await cache.ensure(store.db)
    assert.deepEqual([free('a'), free('b')], [before - 1, before])
    cache.invalidate()
    await cache.ensure(store.db)
    assert.equal(free('b'), before - 1)
  })

  it('reads all before one may say that none fits, but not again and again', async () => {
    assert.equal(await cache.readAll(store.db), false)
    now += 1000
    const before = free('a')
    await othersClaim('a', 's1')
    assert.equal(await cache.readAll(store.db), true)
    assert.equal(free('a'), before - 1)
    assert.equal(await cache.readAll(store.db), false)
  })

  it('forgets hosts that are gone, and keeps what it heard and counted of the others', async () => {
    cache.seen('c', now + 7)
    cache.take('c', claimed, 1)
    const [service] = await listServices(store.db, { host: 'a' })
    await store.transaction(async (trx) => {
      await deleteHost(trx, 'a')
      await deleteService(trx, service!.id)
    })
    cache.invalidate(['a'])
    await cache.ensure(store.db)
    assert.deepEqual(names(), ['b', 'c'])
    assert.equal(cache.table().lastSeenAt[at('c')], now + 7)
  })
})
