import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Config } from '../../src/base/config.ts'
import type { Server } from '../../src/model/server.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import { updateServer } from '../../src/store/servers.ts'
import type { Fleet } from '../support/fleet.ts'
import { active, forcedDown, migrationStatuses, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

const crashPoints = [
  'evacuate:-:begin',
  'evacuate:spawn:command',
  'evacuate:spawn:answered',
  'evacuate:stop:command',
]

describe('an evacuation', { timeout: 60_000 }, () => {
  it('builds the server elsewhere; the dead host destroys its own before it starts anything', async () => {
    await withTwo(async (stage, fleet) => {
      const before = await active(stage)
      const dead = fleet.host(before.host!)
      await dead.powerFailure()
      await forcedDown(stage, dead.name, true)
      await evacuate(stage, before, false)
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.taskState], ['active', null])
      assert.notEqual(after.host, dead.name)
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), ['h1', 'h2'])
      assert.deepEqual(await migrationStatuses(stage), ['done'])
      await sound(stage)

      let started = false
      dead.hypervisor.watchCalls((call) => {
        if (call === 'start') started = true
      })
      await forcedDown(stage, dead.name, false)
      await dead.join()
      await stage.until(async () => (await migrationStatuses(stage))[0] === 'completed')
      assert.equal(started, false, 'the ledger said that it ran')
      assert.deepEqual(await dead.has(before.id), { domain: false, disks: false })
      assert.deepEqual(await fleet.runningOn(before.id), [after.host])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [after.host])
      await sound(stage)
    })
  })

  it('from a host that only could not be reached ends its guest as soon as it is back', async () => {
    await withTwo(async (stage, fleet) => {
      const before = await active(stage)
      const cut = fleet.host(before.host!)
      await cut.leave()
      await forcedDown(stage, cut.name, true)
      await evacuate(stage, before, false)
      assert.equal((await fleet.runningOn(before.id)).length, 2, 'nobody could end it')
      await forcedDown(stage, cut.name, false)
      await cut.join()
      await stage.until(async () => (await migrationStatuses(stage))[0] === 'completed')
      assert.deepEqual(await fleet.runningOn(before.id), [(await stage.server(before.id)).host])
      await sound(stage)
    })
  })

  it('leaves the guest off where that is asked for', async () => {
    await withTwo(async (stage, fleet) => {
      const before = await active(stage)
      await fleet.host(before.host!).powerFailure()
      await forcedDown(stage, before.host!, true)
      await evacuate(stage, before, true)
      assert.equal((await stage.server(before.id)).vmState, 'stopped')
      assert.deepEqual(await fleet.runningOn(before.id), [])
      await sound(stage)
    })
  })

  it('with no host left ends in ERROR with nothing taken', async () => {
    await withTwo(async (stage, fleet) => {
      const before = await active(stage)
      for (const host of fleet.hosts) await forcedDown(stage, host.name, true)
      await fleet.host(before.host!).powerFailure()
      await evacuate(stage, before, false)
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.host], ['error', before.host])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [before.host])
      await sound(stage)
    })
  })

  for (const point of crashPoints)
    it(`outlives a conductor that dies at ${point}`, async () => {
      await withTwo(async (stage, fleet) => {
        const before = await active(stage)
        await fleet.host(before.host!).powerFailure()
        await forcedDown(stage, before.host!, true)
        await stage.conductor().stop()
        await stage.startConductor({ crashAt: point })
        await stage.act(before, 'evacuate', { stop: true }, 'rebuilding')
        await stage.conductor().idle()
        await stage.conductor().stop()
        await stage.startConductor()
        await settled(stage, before.id)
        const after = await stage.server(before.id)
        assert.deepEqual([after.vmState, after.taskState], ['stopped', null])
        assert.deepEqual(await migrationStatuses(stage), ['done'])
        await sound(stage)
      })
    })
})

describe('automatic evacuation', { timeout: 60_000 }, () => {
  for (const status of [0, 1])
    it(`${status === 0 ? 'begins once the host is fenced' : 'does not begin while the fence command fails'}`, async () => {
      await withTwo(
        async (stage, fleet) => {
          const before = await active(stage)
          await fleet.host(before.host!).powerFailure()
          if (status === 0)
            await within(20_000, async () => {
              const { host, taskState } = await stage.server(before.id)
              return host !== before.host && taskState === null
            })
          else await new Promise((resolve) => setTimeout(resolve, 9000))
          const after = await stage.server(before.id)
          assert.deepEqual([after.vmState, after.host === before.host], ['active', status !== 0])
          assert.deepEqual((await fleet.runningOn(before.id)).length, status === 0 ? 1 : 0)
          await sound(stage)
        },
        (config) => {
          config.hosts.downAfterSeconds = 2
          config.agent.reportSeconds = 0.5
          config.fleet.autoEvacuate = true
          config.fleet.evacuateAfterSeconds = 3
          config.fleet.fenceCommand = [process.execPath, '-e', `process.exit(${status})`, '{host}']
        },
      )
    })
})

describe('a host that comes back', { timeout: 60_000 }, () => {
  it('without being told to start its guests has its servers seen off at once', async () => {
    const stayOff = (config: Config): void => {
      config.agent.resumeGuestsOnHostBoot = false
    }
    await withTwo(async (stage, fleet) => {
      const server = await active(stage)
      const host = fleet.host(server.host!)
      await host.powerFailure()
      await host.join()
      await stage.until(async () => (await stage.server(server.id)).vmState === 'stopped')
      await sound(stage)
    }, stayOff)
  })

  it('starts what is still its own once the controller agrees', async () => {
    await withTwo(
      async (stage, fleet) => {
        const server = await active(stage)
        const host = fleet.host(server.host!)
        // Long ago, as for most servers whose host boots.
        await updateServer(stage.store.db, server.id, {}, Date.now() - 60_000)
        await host.powerFailure()
        assert.deepEqual(await fleet.runningOn(server.id), [])
        await host.join()
        await stage.until(async () => (await fleet.runningOn(server.id)).length === 1)
        await settled(stage, server.id)
        assert.equal((await stage.server(server.id)).vmState, 'active', 'nobody took it for stopped')
        assert.deepEqual(await fleet.runningOn(server.id), [host.name])
      },
      (config) => {
        config.agent.resumeGuestsOnHostBoot = true
      },
    )
  })
})

const withTwo = (
  work: (stage: Stage, fleet: Fleet) => Promise<void>,
  configure = (config: Config): void => {
    config.agent.resumeGuestsOnHostBoot = true
  },
): Promise<void> => withFleet(2, work, configure)

async function evacuate(stage: Stage, server: Server, stop: boolean): Promise<void> {
  assert.ok(await stage.act(server, 'evacuate', { stop }, 'rebuilding'))
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
