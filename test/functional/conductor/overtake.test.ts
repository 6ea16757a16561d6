import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { newRequestId } from '../../../src/base/ids.ts'
import { listActions, recordAction } from '../../../src/store/actions.ts'
import { getServer, updateServer } from '../../../src/store/servers.ts'
import { startFakeHost, type FakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

/**
 * A host works on a server's commands one by one, and cuts short what a newer one makes pointless: so it must hear of
 * the newer one while the older is still at work.
 */
describe('what overtakes a command that is at work', { timeout: 60_000 }, () => {
  for (const [name, task] of [
    ['stop', 'powering-off'],
    ['pause', 'pausing'],
  ] as const) {
    it(`a delete reaches the host during a ${name}`, async () => {
      await withServer(async ({ stage, host, id }) => {
        const before = host.received
        host.hold = ({ verb }) => heardOf(stage, host, verb === name ? before + 2 : 0)
        await stage.act(await stage.server(id), name, {}, task)
        await stage.until(() => host.carriedOut.at(-1)?.verb === name)
        await stage.act(await stage.server(id), 'delete', {}, 'deleting')
        await stage.conductor().idle()
        assert.equal((await stage.server(id)).vmState, 'deleted')
        const actions = (await listActions(stage.store.db, id))!
        assert.deepEqual(
          actions.map((action) => [action.name, action.state]),
          [
            ['delete', 'done'],
            [name, 'failed'],
            ['create', 'done'],
          ],
        )
        assert.equal(host.guests.size, 0)
        assert.deepEqual(await findViolations(stage.store.db), [])
      })
    })
  }

  it('a delete reaches the host during the build, and nothing stays of it', async () => {
    const stage = await openStage()
    try {
      await stage.startConductor()
      const host = await startFakeHost(stage.bus, 'h1')
      host.hold = ({ verb }) => heardOf(stage, host, verb === 'spawn' ? 2 : 0)
      const server = await stage.create()
      await stage.until(() => host.carriedOut.length === 1)
      await stage.act(await stage.server(server.id), 'delete', {}, 'deleting')
      await stage.conductor().idle()
      assert.equal((await stage.server(server.id)).vmState, 'deleted')
      assert.deepEqual(
        host.carriedOut.map(({ verb }) => verb),
        ['spawn', 'destroy'],
      )
      assert.equal(host.guests.size, 0)
      assert.deepEqual(await findViolations(stage.store.db), [])
    } finally {
      await stage.close()
    }
  })

  it('a hard reboot reaches the host during a soft one', async () => {
    await withServer(async ({ stage, host, id }) => {
      const before = host.received
      host.hold = () => heardOf(stage, host, before + 2)
      await stage.act(await stage.server(id), 'reboot', { type: 'SOFT' }, 'rebooting')
      await stage.until(() => host.received === before + 1)
      await stage.act(await stage.server(id), 'reboot', { type: 'HARD' }, 'rebooting_hard')
      await stage.conductor().idle()
      const server = await stage.server(id)
      assert.deepEqual([server.vmState, server.taskState], ['active', null])
      const [hard, soft] = (await listActions(stage.store.db, id))!
      assert.deepEqual([hard!.state, soft!.state], ['done', 'failed'])
    })
  })

  it('a state that an administrator sets stays, whatever becomes of the reboot', async () => {
    for (const asked of [1, 2])
      await withServer(async ({ stage, host, id }) => {
        const before = host.received
        const held = Promise.withResolvers<void>()
        host.hold = () => held.promise
        await askForHardReboots(stage, id, asked)
        await stage.until(() => host.received === before + 1)
        await resetToError(stage, id)
        held.resolve()
        await stage.conductor().idle()
        const server = await stage.server(id)
        assert.deepEqual([server.vmState, server.taskState], ['error', null])
        assert.equal(host.received, before + 1)
        assert.deepEqual(await findViolations(stage.store.db), [])
      })
  })

  it('a hard reboot that waited for another one begins when that has ended', async () => {
    await withServer(async ({ stage, host, id }) => {
      const before = host.received
      const held = Promise.withResolvers<void>()
      host.hold = () => held.promise
      await askForHardReboots(stage, id, 2)
      await stage.until(() => host.received === before + 1)
      held.resolve()
      await stage.conductor().idle()
      assert.equal(host.received, before + 2)
      const actions = (await listActions(stage.store.db, id))!
      assert.deepEqual(
        actions.map(({ state }) => state),
        ['done', 'done', 'done'],
      )
    })
  })
})

/** Before the first one has begun, as the API takes them; those after it wait their turn. */
async function askForHardReboots(stage: Stage, id: string, count: number): Promise<void> {
  await stage.conductor().stop()
  for (let i = 0; i < count; i += 1)
    assert.ok(await stage.act(await stage.server(id), 'reboot', { type: 'HARD' }, 'rebooting_hard'))
  await stage.startConductor()
}

/** What the API writes for os-resetState. */
const resetToError = (stage: Stage, id: string): Promise<void> =>
  stage.store.transaction(async (trx) => {
    const { projectId, userId } = (await getServer(trx, id))!
    const now = Date.now()
    await updateServer(trx, id, { vmState: 'error', taskState: null }, now)
    const requestId = newRequestId()
    const reset = { serverId: id, name: 'resetState', requestId, projectId, userId, params: {}, now } as const
    await recordAction(trx, reset)
  })

const heardOf = (stage: Stage, host: FakeHost, commands: number): Promise<void> =>
  stage.until(() => host.received >= commands)

async function withServer(
  work: (scene: { stage: Stage; host: FakeHost; id: string }) => Promise<void>,
): Promise<void> {
  const stage = await openStage()
  try {
    await stage.startConductor()
    const host = await startFakeHost(stage.bus, 'h1')
    const { id } = await stage.create()
    await stage.conductor().idle()
    await work({ stage, host, id })
  } finally {
    await stage.close()
  }
}
