/** Hosts that see one storage: servers change hosts, their disks do not move, and nobody removes another's. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSimulatedStorage, type SimulatedStorage } from '../../src/agent/disk/simulated-storage.ts'
import { LodgeError } from '../../src/base/errors.ts'
import type { Server } from '../../src/model/server.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import type { Fleet } from '../support/fleet.ts'
import { active, forcedDown, migrationStatuses, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

type Work = (stage: Stage, fleet: Fleet, storage: SimulatedStorage) => Promise<void>

describe('on shared storage', { timeout: 60_000 }, () => {
  it('an evacuation goes on with the disks, which the host that returns leaves alone', async () => {
    await withShared(2, async (stage, fleet, storage) => {
      const before = await active(stage)
      const disks = storage.servers.get(before.id)!
      const dead = fleet.host(before.host!)
      await dead.powerFailure()
      await forcedDown(stage, dead.name, true)
      await act(stage, before, 'evacuate', 'rebuilding', { stop: false })
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.taskState], ['active', null])
      assert.notEqual(after.host, dead.name)
      assert.equal(storage.servers.get(before.id), disks, 'they were not made anew')
      assert.equal(disks.mark.host, after.host)

      await forcedDown(stage, dead.name, false)
      await dead.join()
      await stage.until(async () => (await migrationStatuses(stage))[0] === 'completed')
      assert.equal(storage.servers.get(before.id), disks)
      assert.deepEqual(await dead.has(before.id), { domain: false, disks: false })
      assert.deepEqual(await fleet.runningOn(before.id), [after.host])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [after.host])
      await sound(stage)
    })
  })

  it('an evacuation that fails gives the disks back to the host that the server is on still', async () => {
    await withShared(2, async (stage, fleet, storage) => {
      const before = await active(stage)
      const dead = fleet.host(before.host!)
      const other = fleet.hosts.find(({ name }) => name !== dead.name)!
      await dead.powerFailure()
      await forcedDown(stage, dead.name, true)
      other.hypervisor.fail('start', { times: 5, error: new LodgeError('internal', 'no QEMU') })
      await act(stage, before, 'evacuate', 'rebuilding', { stop: false })
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.host], ['error', dead.name])
      assert.equal(storage.servers.get(before.id)?.mark.host, dead.name)
      assert.deepEqual(await other.has(before.id), { domain: false, disks: false })
      await sound(stage)
    })
  })

  it('a host that cannot be reached ends its guest when the disks are given to another', async () => {
    await withShared(2, async (stage, fleet, storage) => {
      const before = await active(stage)
      const cut = fleet.host(before.host!)
      assert.deepEqual(await fleet.runningOn(before.id), [cut.name])
      storage.servers.get(before.id)!.mark = { host: 'another' }
      await within(15_000, async () => (await fleet.runningOn(before.id)).length === 0)
    })
  })

  it('a live migration hands the disks over with the guest', async () => {
    await withShared(2, async (stage, fleet, storage) => {
      const before = await active(stage)
      const disks = storage.servers.get(before.id)!
      const asked = { host: null, force: false, blockMigration: 'auto' as const }
      await act(stage, before, 'live-migration', 'migrating', asked)
      const after = await stage.server(before.id)
      assert.notEqual(after.host, before.host)
      assert.equal(storage.servers.get(before.id), disks)
      assert.deepEqual(disks.mark, { host: after.host })
      assert.deepEqual(await fleet.runningOn(before.id), [after.host])
      await sound(stage)
    })
  })

  for (const end of ['confirmResize', 'revertResize'] as const)
    it(`a cold migration hands the disks over, and ${end} leaves them with the server`, async () => {
      await withShared(2, async (stage, fleet, storage) => {
        const before = await active(stage)
        const disks = storage.servers.get(before.id)!
        await act(stage, before, 'migrate', 'resize_prep', {})
        const moved = await stage.server(before.id)
        assert.deepEqual([moved.vmState, moved.host === before.host], ['resized', false])
        assert.equal(storage.servers.get(before.id), disks)
        assert.equal(disks.mark.host, moved.host)
        await act(stage, before, end, end === 'confirmResize' ? 'resize_confirming' : 'resize_reverting', {})
        const after = await stage.server(before.id)
        assert.deepEqual(
          [after.vmState, after.host],
          ['active', end === 'confirmResize' ? moved.host : before.host],
        )
        assert.equal(storage.servers.get(before.id), disks)
        assert.equal(disks.mark.host, after.host)
        assert.deepEqual(await fleet.runningOn(before.id), [after.host])
        assert.deepEqual([storage.aside.size, storage.incoming.size], [0, 0])
        await sound(stage)
      })
    })

  it('a resize keeps the old disks until it is confirmed, and copies them without sending', async () => {
    await withShared(2, async (stage, fleet, storage) => {
      const before = await active(stage)
      const disks = storage.servers.get(before.id)!
      const flavor = { ...before.flavor, id: '2', name: 'two', rootGiB: before.flavor.rootGiB + 1 }
      await act(stage, before, 'resize', 'resize_prep', { flavor })
      const moved = await stage.server(before.id)
      assert.equal(moved.vmState, 'resized')
      assert.equal(storage.aside.get(before.id), disks)
      assert.equal(storage.servers.get(before.id)!.mark.host, moved.host)
      await act(stage, before, 'confirmResize', 'resize_confirming', {})
      assert.equal(storage.aside.size, 0)
      assert.equal(storage.servers.get(before.id)!.mark.host, moved.host)
      assert.deepEqual(await fleet.runningOn(before.id), [moved.host])
      await sound(stage)
    })
  })

  it('a deleted server leaves nothing, whoever has had it', async () => {
    await withShared(2, async (stage, _fleet, storage) => {
      const before = await active(stage)
      await act(stage, before, 'migrate', 'resize_prep', {})
      await act(stage, before, 'delete', 'deleting', {})
      assert.deepEqual([storage.servers.size, storage.aside.size, storage.incoming.size], [0, 0, 0])
      await sound(stage)
    })
  })
})

async function withShared(hosts: number, work: Work): Promise<void> {
  const storage = createSimulatedStorage()
  await withFleet(hosts, (stage, fleet) => work(stage, fleet, storage), undefined, storage)
}

async function act(
  stage: Stage,
  server: Server,
  name: Parameters<Stage['act']>[1],
  task: string,
  params: object,
): Promise<void> {
  assert.ok(await stage.act(server, name, params as never, task as never))
  await settled(stage, server.id)
}

async function within(ms: number, what: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + ms
  while (!(await what())) {
    assert.ok(Date.now() < end, 'in time')
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
}
