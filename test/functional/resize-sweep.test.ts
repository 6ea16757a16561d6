/** Resizes that nobody ends: confirmed after a while, or ended as the state says that someone gave the server. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../src/base/config.ts'
import { requestedResources } from '../../src/scheduler/requested-resources.ts'
import type { Server } from '../../src/model/server.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import { updateServer } from '../../src/store/servers.ts'
import type { Fleet } from '../support/fleet.ts'
import { until } from '../support/until.ts'
import { active, migrationStatuses, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

const confirmAfter = (seconds: number) => (config: Config) => {
  config.conductor.resizeConfirmSeconds = seconds
}

describe('a resize that nobody ends', { timeout: 90_000 }, () => {
  it('is confirmed by itself once the time is over, and not before', async () => {
    await withFleet(
      2,
      async (stage, fleet) => {
        const { before, moved } = await resized(stage)
        await delay(1500)
        assert.equal((await stage.server(before.id)).vmState, 'resized')
        await until(
          'the confirmation',
          20_000,
          async () => (await stage.server(before.id)).vmState === 'active',
        )
        await settled(stage, before.id)
        await assertIsAt(stage, fleet, before, moved.host!)
        assert.deepEqual(await migrationStatuses(stage), ['confirmed'])
      },
      confirmAfter(3),
    )
  })

  it('waits for ever where no time is set', async () => {
    await withFleet(
      2,
      async (stage) => {
        const { before } = await resized(stage)
        await delay(7000)
        assert.equal((await stage.server(before.id)).vmState, 'resized')
        assert.deepEqual(await migrationStatuses(stage), ['finished'])
      },
      confirmAfter(0),
    )
  })

  it('is confirmed for a server that an administrator called active where it has come to', async () => {
    await withFleet(
      2,
      async (stage, fleet) => {
        const { before, moved } = await resized(stage)
        await updateServer(stage.store.db, before.id, { vmState: 'active' }, Date.now())
        await until('its end', 20_000, async () => (await stage.server(before.id)).resize === null)
        await settled(stage, before.id)
        await assertIsAt(stage, fleet, before, moved.host!)
      },
      confirmAfter(0),
    )
  })

  it('is left alone while the server is in ERROR', async () => {
    await withFleet(
      2,
      async (stage) => {
        const { before } = await resized(stage)
        await updateServer(stage.store.db, before.id, { vmState: 'error' }, Date.now())
        await delay(7000)
        assert.notEqual((await stage.server(before.id)).resize, null)
      },
      confirmAfter(1),
    )
  })

  it('is confirmed by the next conductor where the one before has ended', async () => {
    await withFleet(
      2,
      async (stage, fleet) => {
        const { before, moved } = await resized(stage)
        await stage.conductor().stop()
        await stage.startConductor()
        await until(
          'the confirmation',
          20_000,
          async () => (await stage.server(before.id)).vmState === 'active',
        )
        await settled(stage, before.id)
        await assertIsAt(stage, fleet, before, moved.host!)
      },
      confirmAfter(1),
    )
  })
})

async function resized(stage: Stage): Promise<{ before: Server; moved: Server }> {
  const before = await active(stage)
  const flavor = { ...before.flavor, id: '2', name: 'two', memoryMiB: before.flavor.memoryMiB * 2 }
  assert.ok(await stage.act(before, 'resize', { flavor }, 'resize_prep'))
  await settled(stage, before.id)
  const moved = await stage.server(before.id)
  assert.equal(moved.vmState, 'resized')
  return { before, moved }
}

/** It is there and nowhere else, with what its new flavor takes. */
async function assertIsAt(
  stage: Stage,
  fleet: Fleet,
  { id, host: source }: Server,
  host: string,
): Promise<void> {
  const server = await stage.server(id)
  assert.deepEqual(
    [server.vmState, server.taskState, server.host, server.resize, server.oldFlavor],
    ['active', null, host, null, null],
  )
  assert.deepEqual(await fleet.runningOn(id), [host])
  assert.deepEqual(await fleet.host(source!).has(id), { domain: false, disks: false })
  assert.deepEqual(await hostsOfAllocations(stage.store.db, id), [host])
  const [held] = await stage.store.db.selectFrom('allocations').selectAll().execute()
  assert.equal(held!.memory_mib, requestedResources(server.flavor).memoryMiB)
  await sound(stage)
}
