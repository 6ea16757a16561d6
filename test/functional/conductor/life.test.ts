import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { powerState } from '../../../src/model/server-state.ts'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { listSteps } from '../../../src/store/action-steps.ts'
import { listActions } from '../../../src/store/actions.ts'
import { listPlacements } from '../../../src/store/placements.ts'
import { startFakeHost, type FakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

describe("a server's life through the conductor", { timeout: 30_000 }, () => {
  let stage: Stage
  let host: FakeHost

  before(async () => {
    stage = await openStage()
    await stage.startConductor()
    host = await startFakeHost(stage.bus, 'h1')
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 1,
    )
  })
  after(() => stage.close())

  it('takes a server from create over every state to deleted', async () => {
    const { id } = await stage.create()
    await stage.conductor().idle()
    let server = await stage.server(id)
    assert.equal(server.vmState, 'active')
    assert.equal(server.taskState, null)
    assert.equal(server.powerState, powerState.RUNNING)
    assert.equal(server.host, 'h1')
    assert.equal(server.machineType, 'pc-fake-1')
    assert.equal(server.rootDeviceName, '/dev/vda')
    assert.ok(server.launchedAt)

    const turns = [
      ['pause', {}, 'pausing', 'paused', powerState.PAUSED],
      ['unpause', {}, 'unpausing', 'active', powerState.RUNNING],
      ['suspend', {}, 'suspending', 'suspended', powerState.SHUTDOWN],
      ['resume', {}, 'resuming', 'active', powerState.RUNNING],
      ['stop', {}, 'powering-off', 'stopped', powerState.SHUTDOWN],
      ['start', {}, 'powering-on', 'active', powerState.RUNNING],
      ['reboot', { type: 'SOFT' }, 'rebooting', 'active', powerState.RUNNING],
      ['reboot', { type: 'HARD' }, 'rebooting_hard', 'active', powerState.RUNNING],
      ['createImage', { imageId: 'none' }, 'image_snapshot_pending', 'active', powerState.RUNNING],
    ] as const
    for (const [name, params, task, vm, power] of turns) {
      assert.ok(await stage.act(server, name, params as never, task), name)
      await stage.conductor().idle()
      server = await stage.server(id)
      assert.deepEqual([server.vmState, server.taskState, server.powerState], [vm, null, power], name)
    }

    assert.ok(await stage.act(server, 'delete', {}, 'deleting'))
    assert.equal(await stage.act(server, 'delete', {}, 'deleting'), null, 'a second delete has nothing to do')
    await stage.conductor().idle()
    server = await stage.server(id)
    assert.equal(server.vmState, 'deleted')
    assert.ok(server.deletedAt)
    assert.equal(host.guests.size, 0)
    assert.deepEqual(await stage.store.db.selectFrom('allocations').selectAll().execute(), [])
    assert.deepEqual(await findViolations(stage.store.db, Date.now()), [])

    const actions = (await listActions(stage.store.db, id))!
    assert.equal(actions.length, turns.length + 2)
    assert.ok(actions.every((action) => action.state === 'done' && action.message === null))
    const steps = await listSteps(stage.store.db, actions[actions.length - 1]!.id)
    assert.deepEqual(
      steps.map((step) => [step.event, step.result, step.host]),
      [['compute__do_build_and_run_instance', 'Success', 'h1']],
    )
    const [placement] = await listPlacements(stage.store.db, id)
    assert.equal(placement?.chosenHost, 'h1')
  })

  it('runs the actions of one server in order and a delete after the build that is under way', async () => {
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    host.hold = (command) => (command.verb === 'spawn' ? held : Promise.resolve())
    const created = await stage.create()
    await stage.until(() => host.carriedOut.at(-1)?.serverId === created.id)
    await stage.act(created, 'delete', {}, 'deleting')
    go()
    await stage.conductor().idle()
    host.hold = null
    assert.equal((await stage.server(created.id)).vmState, 'deleted')
    assert.ok(!host.guests.has(created.id))
    assert.deepEqual(
      host.carriedOut.filter(({ serverId }) => serverId === created.id).map(({ verb }) => verb),
      ['spawn', 'destroy'],
    )
    assert.deepEqual(await findViolations(stage.store.db, Date.now()), [])
  })

  it('runs a hard reboot that was asked for during another reboot', async () => {
    const { id } = await stage.create()
    await stage.conductor().idle()
    const server = await stage.server(id)
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    host.hold = (command) => (command.verb === 'reboot' ? held : Promise.resolve())
    await stage.act(server, 'reboot', { type: 'SOFT' }, 'rebooting')
    await stage.until(() => host.carriedOut.at(-1)?.verb === 'reboot')
    assert.ok(await stage.act(server, 'reboot', { type: 'HARD' }, 'rebooting_hard'))
    go()
    await stage.conductor().idle()
    host.hold = null
    const actions = (await listActions(stage.store.db, id))!
    assert.deepEqual(
      actions.map(({ name, state }) => [name, state]),
      [
        ['reboot', 'done'],
        ['reboot', 'done'],
        ['create', 'done'],
      ],
    )
    assert.deepEqual([(await stage.server(id)).vmState, (await stage.server(id)).taskState], ['active', null])
  })
})
