import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findViolations } from '../../src/conductor/invariants.ts'
import { setMaintenance } from '../../src/store/drains.ts'
import { getServersOfHost } from '../../src/store/servers.ts'
import { startFleet } from '../support/fleet.ts'
import { until } from '../support/until.ts'
import { openStage } from './conductor/stage.ts'

describe('a drain', { timeout: 60_000 }, () => {
  it('moves what runs and what is off, a few at once, goes on with another conductor, and nothing comes back', async () => {
    const stage = await openStage((config) => {
      config.agent.shutdownTimeoutSeconds = 0
      config.fleet.drainParallel = 2
    })
    try {
      await stage.startConductor()
      await using fleet = await startFleet(stage.bus, stage.config.agent, 3)
      await stage.conductor().idle()
      const ids: string[] = []
      for (let i = 0; i < 9; i += 1) ids.push((await stage.create()).id)
      await stage.conductor().idle()
      const host = fleet.hosts.map(({ name }) => name).find((name) => name !== 'h2')!
      const there = await getServersOfHost(stage.store.db, host)
      assert.ok(there.length >= 2)
      await stage.act(there[0]!, 'stop', {}, 'powering-off')
      await stage.conductor().idle()
      await stage.store.transaction((trx) => setMaintenance(trx, host, true, Date.now()))
      const left = async (): Promise<number> => (await getServersOfHost(stage.store.db, host)).length
      await until('the first to have left', 20_000, async () => (await left()) < there.length, 5)
      await stage.conductor().stop()
      await stage.startConductor()
      const end = Date.now() + 30_000
      const isDone = async (): Promise<boolean> => {
        const states = await Promise.all(ids.map((id) => stage.server(id)))
        return states.every((one) => one.host !== host && one.taskState === null && one.resize === null)
      }
      while (!(await isDone())) {
        assert.ok(Date.now() < end, 'the host is empty in time')
        const moving = await stage.store.db
          .selectFrom('actions')
          .select('id')
          .where('name', 'in', ['live-migration', 'migrate'])
          .where('finished_at', 'is', null)
          .execute()
        assert.ok(moving.length <= 2)
        await new Promise((resolve) => {
          setTimeout(resolve, 50)
        })
      }
      const { id } = await stage.create()
      await stage.conductor().idle()
      assert.notEqual((await stage.server(id)).host, host)
      for (const one of ids) {
        const server = await stage.server(one)
        const off = one === there[0]!.id
        assert.equal(server.vmState, off ? 'stopped' : 'active')
        assert.deepEqual(await fleet.runningOn(one), off ? [] : [server.host])
        assert.deepEqual(await fleet.host(host).has(one), { domain: false, disks: false })
      }
      assert.deepEqual(await findViolations(stage.store.db), [])
      await stage.conductor().stop()
    } finally {
      await stage.close()
    }
  })
})
