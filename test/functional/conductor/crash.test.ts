import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { listSteps } from '../../../src/store/action-steps.ts'
import { listActions } from '../../../src/store/actions.ts'
import { latestFaults } from '../../../src/store/server-faults.ts'
import type { Server } from '../../../src/model/server.ts'
import type { TaskState } from '../../../src/model/server-state.ts'
import { aFault, startFakeHost, type FakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

/** Points between two transactions of an action's way; at each the conductor dies and another takes over. */
const points = {
  'a build': ['create:-:begin', 'create:spawn:command', 'create:spawn:answered'],
  'a build that fails': [
    'create:spawn:failing',
    'create:spawn:unwinding',
    'create:spawn:undone',
    'create:-:lost',
  ],
  'a delete': ['delete:-:begin', 'delete:destroy:command', 'delete:destroy:answered'],
  'a stop': ['stop:-:begin', 'stop:stop:command', 'stop:stop:answered'],
  'a stop that fails': ['stop:stop:failing', 'stop:stop:lost'],
}

describe('a conductor that dies', { timeout: 60_000 }, () => {
  for (const point of points['a build']) {
    it(`at ${point}: its successor brings the server to ACTIVE`, async () => {
      await withStage(async (stage, host) => {
        await stage.startConductor({ crashAt: point })
        await host.report()
        const { id } = await stage.create()
        await dieAndTakeOver(stage)
        const server = await stage.server(id)
        assert.deepEqual([server.vmState, server.taskState, server.host], ['active', null, 'h1'])
        assert.equal(host.carriedOut.filter(({ verb }) => verb === 'spawn').length, 1, 'spawned once')
        await assertSound(stage, id)
      })
    })
  }

  for (const point of points['a build that fails']) {
    it(`at ${point}: its successor unwinds to a clean ERROR`, async () => {
      await withStage(async (stage, host) => {
        host.fault = (command) => (command.verb === 'spawn' ? aFault('never') : undefined)
        await stage.startConductor({ crashAt: point })
        await host.report()
        const { id } = await stage.create()
        await dieAndTakeOver(stage)
        const server = await stage.server(id)
        assert.deepEqual([server.vmState, server.taskState, server.host], ['error', null, null])
        assert.equal((await latestFaults(stage.store.db, [id])).get(id)?.message, 'it broke')
        assert.equal(host.guests.size, 0)
        assert.deepEqual(await stage.store.db.selectFrom('allocations').selectAll().execute(), [])
        await assertSound(stage, id)
      })
    })
  }

  for (const point of points['a delete']) {
    it(`at ${point}: its successor deletes the server`, async () => {
      await withStage(async (stage, host) => {
        const server = await anActiveServer(stage, host)
        await actAndDie(stage, server, 'delete', 'deleting', point)
        assert.equal((await stage.server(server.id)).vmState, 'deleted')
        assert.equal(host.guests.size, 0)
        await assertSound(stage, server.id)
      })
    })
  }

  for (const point of points['a stop']) {
    it(`at ${point}: its successor stops the server`, async () => {
      await withStage(async (stage, host) => {
        const server = await anActiveServer(stage, host)
        await actAndDie(stage, server, 'stop', 'powering-off', point)
        const after = await stage.server(server.id)
        assert.deepEqual([after.vmState, after.taskState], ['stopped', null])
        assert.equal(host.carriedOut.filter(({ verb }) => verb === 'stop').length, 1)
        await assertSound(stage, server.id)
      })
    })
  }

  for (const point of points['a stop that fails']) {
    it(`at ${point}: the server is left ACTIVE with the fault`, async () => {
      await withStage(async (stage, host) => {
        const server = await anActiveServer(stage, host)
        host.fault = () => aFault('never')
        await actAndDie(stage, server, 'stop', 'powering-off', point)
        const after = await stage.server(server.id)
        assert.deepEqual([after.vmState, after.taskState], ['active', null])
        assert.ok((await latestFaults(stage.store.db, [server.id])).has(server.id))
        await assertSound(stage, server.id)
      })
    })
  }

  it('in the middle of a delete that came during a build: both come to their ends', async () => {
    await withStage(async (stage, host) => {
      await stage.startConductor({ crashAt: 'create:spawn:answered' })
      await host.report()
      const server = await stage.create()
      await stage.until(() => host.guests.has(server.id))
      await stage.act(server, 'delete', {}, 'deleting')
      await dieAndTakeOver(stage)
      assert.equal((await stage.server(server.id)).vmState, 'deleted')
      assert.equal(host.guests.size, 0)
      await assertSound(stage, server.id)
    })
  })
})

async function withStage(work: (stage: Stage, host: FakeHost) => Promise<void>): Promise<void> {
  const stage = await openStage()
  try {
    await work(stage, await startFakeHost(stage.bus, 'h1'))
  } finally {
    await stage.close()
  }
}

async function anActiveServer(stage: Stage, host: FakeHost): Promise<Server> {
  await stage.startConductor()
  await host.report()
  const { id } = await stage.create()
  await stage.conductor().idle()
  await stage.conductor().stop()
  return stage.server(id)
}

async function actAndDie(
  stage: Stage,
  server: Server,
  name: 'delete' | 'stop',
  task: TaskState,
  point: string,
): Promise<void> {
  await stage.startConductor({ crashAt: point })
  assert.ok(await stage.act(server, name, {}, task))
  await dieAndTakeOver(stage)
}

async function dieAndTakeOver(stage: Stage): Promise<void> {
  await stage.conductor().idle()
  const live = await stage.store.db
    .selectFrom('actions')
    .select('id')
    .where('finished_at', 'is', null)
    .execute()
  assert.ok(live.length > 0, 'the crash came before the end')
  await stage.conductor().stop()
  await stage.startConductor()
  await stage.conductor().idle()
}

/** No invariant is broken and every step that a user can see is closed. */
async function assertSound(stage: Stage, id: string): Promise<void> {
  assert.deepEqual(await findViolations(stage.store.db, Date.now()), [])
  for (const action of (await listActions(stage.store.db, id))!) {
    const steps = await listSteps(stage.store.db, action.id)
    assert.ok(steps.every((step) => step.result !== null))
    const events = steps.map((step) => step.event)
    assert.equal(new Set(events).size, events.length, `each step is shown once: ${events.join(', ')}`)
  }
}
