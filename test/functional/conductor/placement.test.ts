import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { newUuid } from '../../../src/base/ids.ts'
import type { GroupPolicy } from '../../../src/model/server-group.ts'
import { addAggregateHost, insertAggregate } from '../../../src/store/aggregates.ts'
import { setHostMaintenance } from '../../../src/store/hosts.ts'
import { listPlacementsOfRequest } from '../../../src/store/placements.ts'
import { latestFaults } from '../../../src/store/server-faults.ts'
import { insertServerGroup } from '../../../src/store/server-groups.ts'
import { startFakeHost } from './fake-host.ts'
import { openStage, type CreateOptions, type Stage } from './stage.ts'

describe('placement by the conductor', { timeout: 60_000 }, () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await openStage()
    await stage.startConductor()
    for (const name of ['h1', 'h2', 'h3']) await startFakeHost(stage.bus, name)
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 3,
    )
  })
  afterEach(() => stage.close())

  async function hostsOf(count: number, options: CreateOptions): Promise<(string | null)[]> {
    const servers = await Promise.all(Array.from({ length: count }, () => stage.create(options)))
    await stage.conductor().idle()
    return Promise.all(servers.map(async ({ id }) => (await stage.server(id)).host))
  }

  async function group(policy: GroupPolicy, maxServersPerHost: number | null = null): Promise<string> {
    const id = newUuid()
    const owner = { projectId: 'project', userId: 'user' }
    await insertServerGroup(stage.store.db, {
      id,
      ...owner,
      name: 'g',
      policy,
      maxServersPerHost,
      createdAt: 1,
    })
    return id
  }

  it('keeps servers of an anti-affinity group apart, also those that come at once', async () => {
    const hosts = await hostsOf(4, { group: await group('anti-affinity') })
    assert.deepEqual(hosts.filter((host) => host !== null).toSorted(), ['h1', 'h2', 'h3'])
    assert.equal(hosts.filter((host) => host === null).length, 1)
    const more = await hostsOf(7, { group: await group('anti-affinity', 2) })
    assert.deepEqual(more.filter((host) => host !== null).toSorted(), ['h1', 'h1', 'h2', 'h2', 'h3', 'h3'])
  })

  it('keeps servers of an affinity group together, also those that come at once', async () => {
    assert.equal(new Set(await hostsOf(5, { group: await group('affinity') })).size, 1)
    // With Nova's multipliers three weighers for free resources speak against one.
    stage.config.scheduler.softAffinityWeight = 10
    stage.config.scheduler.softAntiAffinityWeight = 10
    assert.equal(new Set(await hostsOf(3, { group: await group('soft-affinity') })).size, 1)
    assert.equal(new Set(await hostsOf(3, { group: await group('soft-anti-affinity') })).size, 3)
  })

  it('follows zones and maintenance as they are set', async () => {
    const now = Date.now()
    const north = await insertAggregate(stage.store.db, 'north', { availability_zone: 'north' }, now)
    await addAggregateHost(stage.store.db, north.number, 'h2', now + 1)
    assert.deepEqual(await hostsOf(2, { availabilityZone: 'north' }), ['h2', 'h2'])
    await setHostMaintenance(stage.store.db, 'h2', true, now + 2)
    assert.deepEqual(await hostsOf(1, { availabilityZone: 'north' }), [null])
  })

  it('tells why no host was found, by request and in the fault', async () => {
    const settled = Date.now() + 5000
    const server = await stage.create({ vcpus: 99, requestId: 'req-too-large' })
    await stage.conductor().idle()
    assert.ok(Date.now() < settled)
    const [placement] = await listPlacementsOfRequest(stage.store.db, 'req-too-large')
    assert.equal(placement?.chosenHost, null)
    assert.deepEqual(
      placement?.reasons.rejected.map(({ filter, count, hosts }) => [filter, count, hosts.toSorted()]),
      [['vcpus', 3, ['h1', 'h2', 'h3']]],
    )
    const fault = (await latestFaults(stage.store.db, [server.id])).get(server.id)
    assert.match(fault?.details ?? '', /of 3 hosts 3 not enough vCPUs left \(h1, h2, h3\)/)
  })
})
