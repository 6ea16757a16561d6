import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Server } from '../../src/model/server.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import { getServer, updateServer } from '../../src/store/servers.ts'
import { serverUsage } from '../../src/store/quota-usage.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'
import { active, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

describe('a soft delete', { timeout: 60_000 }, () => {
  it('turns the guest off and keeps all; a restore brings it back', async () => {
    await withFleet(1, async (stage, fleet) => {
      const before = await active(stage)
      await softDelete(stage, before)
      const deleted = await stage.server(before.id)
      assert.deepEqual([deleted.vmState, deleted.taskState, deleted.deletedAt], ['soft-delete', null, null])
      assert.deepEqual(await fleet.runningOn(before.id), [])
      assert.deepEqual(await fleet.hosts[0]!.has(before.id), { domain: true, disks: true })
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), ['h1'])
      assert.equal((await serverUsage(stage.store.db, before.projectId)).instances, 0)
      await sound(stage)

      assert.ok(await stage.act(deleted, 'restore', {}, 'restoring'))
      await settled(stage, before.id)
      assert.equal((await stage.server(before.id)).vmState, 'active')
      assert.deepEqual(await fleet.runningOn(before.id), ['h1'])
      assert.equal((await serverUsage(stage.store.db, before.projectId)).instances, 1)
      await sound(stage)
    })
  })

  it('becomes a delete when its time is up', async () => {
    await withFleet(
      1,
      async (stage, fleet) => {
        const before = await active(stage)
        await softDelete(stage, before)
        await stage.until(async () => (await stage.server(before.id)).deletedAt !== null)
        assert.deepEqual(await fleet.hosts[0]!.has(before.id), { domain: false, disks: false })
        assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [])
        await sound(stage)
      },
      (config) => {
        config.conductor.reclaimSeconds = 0.2
      },
    )
  })

  it('is what a request for a delete means where the settings say so, and for servers that ever ran', async () => {
    await using bed = await serverBed()
    bed.services.config.conductor.reclaimSeconds = 3600
    const ran = await bed.addServer({ ...running, launchedAt: 1 })
    assert.equal(await remove(bed, ran), 204)
    assert.equal(await taskOf(bed, ran), 'soft-deleting')
    assert.equal(await remove(bed, ran), 204, 'again')
    const never = await bed.addServer({ ...running, vmState: 'building', launchedAt: null })
    assert.equal(await remove(bed, never), 204)
    assert.equal(await taskOf(bed, never), 'deleting')
    const moving = await bed.addServer({ ...running, launchedAt: 1, taskState: 'migrating' })
    assert.equal(await remove(bed, moving), 409)
    assert.equal(await act(bed, moving, 'forceDelete'), 202)
    assert.equal(await taskOf(bed, moving), 'deleting')
  })

  it('is taken back only from SOFT_DELETED, and within the quota', async () => {
    await using bed = await serverBed()
    const server = await bed.addServer(running)
    assert.equal(await act(bed, server, 'restore'), 409)
    await updateServer(bed.store.db, server.id, { vmState: 'soft-delete' }, bed.clock.time)
    Object.assign(bed.services.config.quota, { instances: 0 })
    assert.equal(await act(bed, server, 'restore'), 403)
    Object.assign(bed.services.config.quota, { instances: 1 })
    assert.equal(await act(bed, server, 'restore'), 202)
    assert.equal(await taskOf(bed, server), 'restoring')
  })
})

const running: Partial<Server> = { vmState: 'active', host: 'alpha', powerState: 1 }

async function softDelete(stage: Stage, server: Server): Promise<void> {
  assert.ok(await stage.act(server, 'delete', { soft: true }, 'soft-deleting'))
  await settled(stage, server.id)
}

const remove = async (bed: ServerBed, { id }: Server): Promise<number> =>
  (await bed.call(`DELETE /servers/${id}`, { as: 'member' })).status

const act = async (bed: ServerBed, { id }: Server, action: string): Promise<number> =>
  (await bed.call(`POST /servers/${id}/action`, { as: 'member', body: { [action]: null } })).status

const taskOf = async (bed: ServerBed, { id }: Server): Promise<string | null | undefined> =>
  (await getServer(bed.store.db, id))?.taskState
