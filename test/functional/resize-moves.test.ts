import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import type { Server } from '../../src/model/server.ts'
import type { ServerFlavor } from '../../src/model/server-spec.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import { latestFaults } from '../../src/store/server-faults.ts'
import { active, forcedDown, migrationStatuses, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'
import { newSpec } from '../support/agent-harness.ts'

/** Points between two transactions of a resize; at each the conductor dies and another takes over. */
const crashPoints = [
  'resize:-:begin',
  'resize:prepare:command',
  'resize:prepare:answered',
  'resize:send:command',
  'resize:send:answered',
  'resize:finish:command',
  'resize:finish:answered',
]

describe('a resize', { timeout: 180_000 }, () => {
  it('goes to another host, waits there for its confirmation, and leaves nothing behind', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      const flavor = larger(before)
      await resize(stage, before, flavor)
      const moved = await stage.server(before.id)
      assert.deepEqual([moved.vmState, moved.taskState], ['resized', null])
      assert.notEqual(moved.host, before.host)
      assert.deepEqual([moved.flavor.id, moved.oldFlavor?.id], ['2', '1'])
      assert.deepEqual(await fleet.runningOn(before.id), [moved.host])
      assert.deepEqual(await fleet.host(before.host!).has(before.id), { domain: false, disks: false })
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), ['h1', 'h2'])
      const disks = await fleet.host(moved.host!).disks.describe(before.id)
      assert.equal(disks?.disks[0]!.sizeBytes, flavor.rootGiB * 2 ** 30)
      await sound(stage)

      await act(stage, moved, 'confirmResize', 'resize_confirming')
      const confirmed = await stage.server(before.id)
      assert.deepEqual([confirmed.vmState, confirmed.oldFlavor, confirmed.resize], ['active', null, null])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [moved.host])
      assert.equal(await fleet.host(before.host!).disks.putBack(before.id), false, 'nothing was kept')
      assert.deepEqual(await migrationStatuses(stage), ['confirmed'])
      await sound(stage)
    })
  })

  it('is reverted: the guest runs where it ran, with the disk that it had', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await resize(stage, before)
      await act(stage, before, 'revertResize', 'resize_reverting')
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.taskState, after.host], ['active', null, before.host])
      assert.deepEqual([after.flavor.id, after.oldFlavor, after.resize], ['1', null, null])
      assert.deepEqual(await fleet.runningOn(before.id), [before.host])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [before.host])
      const disks = await fleet.host(before.host!).disks.describe(before.id)
      assert.equal(disks?.disks[0]!.sizeBytes, before.flavor.rootGiB * 2 ** 30)
      assert.deepEqual(await migrationStatuses(stage), ['reverted'])
      await sound(stage)
    })
  })

  it('is taken back by itself when the destination has lost what came', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await resize(stage, before)
      const { host, resize: move } = await stage.server(before.id)
      const dest = fleet.host(host!)
      // A discard that comes late, when the revert it was of has failed already.
      const outcome = await stage.bus.send({
        version: 1,
        id: 'late',
        host: dest.name,
        serverId: before.id,
        verb: 'resizeDiscard',
        params: { migrationId: move!.migrationId },
        requestId: 'req-late',
      })
      assert.ok(outcome.ok)
      // The only disks that are left must not be let go.
      await act(stage, before, 'confirmResize', 'resize_confirming')
      assert.equal((await stage.server(before.id)).vmState, 'resized')
      assert.match(
        (await latestFaults(stage.store.db, [before.id])).get(before.id)!.message,
        /does not have the disks/,
      )
      await longAgo(stage, before.id)
      await dest.leave()
      await (await dest.join()).reconcile()
      await stage.until(async () => (await stage.server(before.id)).vmState === 'active')
      const after = await stage.server(before.id)
      assert.deepEqual([after.host, after.resize, after.flavor.id], [before.host, null, '1'])
      assert.deepEqual(await fleet.runningOn(before.id), [before.host])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [before.host])
      assert.deepEqual(await migrationStatuses(stage), ['reverted'])
      await sound(stage)
    })
  })

  it('that came to nothing leaves no disks that were on their way', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await resize(stage, before)
      await act(stage, before, 'revertResize', 'resize_reverting')
      const dest = fleet.hosts.find(({ name }) => name !== before.host)!
      // As of a host that crashed in the middle of a transfer.
      await dest.disks.expect(newSpec({ id: before.id }), newUuid(), new AbortController().signal)
      assert.deepEqual(await dest.disks.arrivals(), [before.id])
      await longAgo(stage, before.id)
      await dest.leave()
      await (await dest.join()).reconcile()
      await stage.until(async () => (await dest.disks.arrivals()).length === 0)
      assert.deepEqual(await fleet.runningOn(before.id), [before.host])
      await sound(stage)
    })
  })

  it('may stay on its host where that is allowed, and holds the disk twice until it is confirmed', async () => {
    await withFleet(
      1,
      async (stage, fleet) => {
        const before = await active(stage)
        await resize(stage, before)
        const moved = await stage.server(before.id)
        assert.deepEqual([moved.vmState, moved.host], ['resized', 'h1'])
        const held = await stage.store.db.selectFrom('allocations').selectAll().execute()
        assert.deepEqual([held.length, held[0]!.disk_gib, held[0]!.vcpus], [1, 1 + 5, 2])
        await act(stage, moved, 'revertResize', 'resize_reverting')
        assert.deepEqual(await fleet.runningOn(before.id), ['h1'])
        assert.equal((await stage.server(before.id)).vmState, 'active')
        await sound(stage)

        await resize(stage, before)
        await act(stage, moved, 'confirmResize', 'resize_confirming')
        const kept = await stage.store.db.selectFrom('allocations').selectAll().execute()
        assert.deepEqual([kept.length, kept[0]!.disk_gib], [1, 5])
        assert.deepEqual(await fleet.runningOn(before.id), ['h1'])
        await sound(stage)
      },
      (config) => {
        config.fleet.resizeOnSameHost = true
      },
    )
  })

  it('of a stopped server ends stopped', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await act(stage, before, 'stop', 'powering-off')
      await resize(stage, before)
      assert.deepEqual(await fleet.runningOn(before.id), [])
      await act(stage, before, 'confirmResize', 'resize_confirming')
      assert.equal((await stage.server(before.id)).vmState, 'stopped')
      await sound(stage)
    })
  })

  it('without a host that has room leaves the server as it was, with the reasons', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await resize(stage, before, { ...larger(before), memoryMiB: 10_000_000 })
      const after = await stage.server(before.id)
      assert.deepEqual(
        [after.vmState, after.taskState, after.host, after.resize],
        ['active', null, before.host, null],
      )
      assert.match((await latestFaults(stage.store.db, [before.id])).get(before.id)!.message, /No valid host/)
      assert.deepEqual(await fleet.runningOn(before.id), [before.host])
      await sound(stage)
    })
  })

  it('that the destination cannot finish goes to the next host', async () => {
    await withFleet(3, async (stage, fleet) => {
      const before = await active(stage)
      let failed: string | undefined
      for (const { name, hypervisor } of fleet.hosts.filter(({ name }) => name !== before.host))
        hypervisor.watchCalls((call) => {
          if (call !== 'define' || failed !== undefined) return
          failed = name
          hypervisor.fail('define', { times: 1, error: new LodgeError('internal', 'no room') })
        })
      await resize(stage, before)
      const after = await stage.server(before.id)
      assert.equal(after.vmState, 'resized')
      assert.notEqual(after.host, failed)
      assert.deepEqual(await fleet.runningOn(before.id), [after.host])
      await sound(stage)
    })
  })

  it('is deleted on both hosts', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await resize(stage, before)
      await act(stage, before, 'delete', 'deleting')
      assert.equal((await stage.server(before.id)).vmState, 'deleted')
      for (const host of fleet.hosts) {
        assert.deepEqual(await host.has(before.id), { domain: false, disks: false })
        assert.equal(await host.disks.putBack(before.id), false)
      }
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [])
      assert.deepEqual(await migrationStatuses(stage), ['confirmed'])
      await sound(stage)
    })
  })

  for (const point of crashPoints)
    it(`outlives a conductor that dies at ${point}`, async () => {
      await withFleet(2, async (stage, fleet) => {
        const before = await active(stage)
        await stage.conductor().stop()
        await stage.startConductor({ crashAt: point })
        await stage.act(before, 'resize', { flavor: larger(before) }, 'resize_prep')
        await stage.conductor().idle()
        await stage.conductor().stop()
        await stage.startConductor()
        await settled(stage, before.id)
        const after = await stage.server(before.id)
        assert.deepEqual([after.vmState, after.taskState], ['resized', null])
        assert.deepEqual(await fleet.runningOn(before.id), [after.host])
        await sound(stage)
      })
    })

  for (const point of ['prepare:command', 'send:command', 'finish:command'])
    for (const victim of ['source', 'destination'] as const)
      it(`whose ${victim} goes away at ${point}: the guest runs in one place at most, and every action works again`, async () => {
        await withFleet(2, async (stage, fleet) => {
          const before = await active(stage)
          const other = fleet.hosts.find(({ name }) => name !== before.host)!
          const host = victim === 'source' ? fleet.host(before.host!) : other
          await stage.conductor().stop()
          await stage.startConductor({ crashAt: `resize:${point}` })
          await stage.act(before, 'resize', { flavor: larger(before) }, 'resize_prep')
          await stage.conductor().idle()
          await stage.conductor().stop()
          await host.powerFailure()
          await forcedDown(stage, host.name, true)
          await stage.startConductor()
          await settled(stage, before.id)
          assert.ok((await fleet.runningOn(before.id)).length <= 1)
          await sound(stage)

          await forcedDown(stage, host.name, false)
          await (await host.join()).reconcile()
          await stage.conductor().idle()
          const now = await stage.server(before.id)
          if (now.vmState === 'error') await act(stage, now, 'reboot', 'rebooting_hard', { type: 'HARD' })
          if (now.vmState === 'stopped') await act(stage, now, 'start', 'powering-on')
          const after = await stage.server(before.id)
          assert.ok(['active', 'resized'].includes(after.vmState), after.vmState)
          assert.deepEqual(await fleet.runningOn(before.id), [after.host])
          await act(stage, after, 'delete', 'deleting')
          for (const one of fleet.hosts)
            assert.deepEqual(await one.has(before.id), { domain: false, disks: false })
          await sound(stage)
        })
      })
})

const larger = ({ flavor }: Server): ServerFlavor => ({
  ...flavor,
  id: '2',
  name: 'large',
  vcpus: 2,
  rootGiB: 5,
})

/** A census is not believed right after a change. */
async function longAgo(stage: Stage, id: string): Promise<void> {
  const then = Date.now() - 60_000
  await stage.store.db.updateTable('servers').set({ updated_at: then }).where('id', '=', id).execute()
}

async function resize(stage: Stage, server: Server, flavor = larger(server)): Promise<void> {
  assert.ok(await stage.act(server, 'resize', { flavor }, 'resize_prep'))
  await settled(stage, server.id)
}

async function act(
  stage: Stage,
  server: Server,
  name: 'confirmResize' | 'revertResize' | 'delete' | 'stop' | 'start' | 'reboot',
  task: Parameters<Stage['act']>[3],
  params: { type: 'HARD' } | object = {},
): Promise<void> {
  assert.ok(await stage.act(server, name, params as never, task), `${name} is not allowed`)
  await settled(stage, server.id)
}
