/** Where a guest is after a migration that failed in its last moment is never guessed. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { findViolations } from '../../../src/conductor/invariants.ts'
import type { Verb } from '../../../src/contract/command.ts'
import type { Server } from '../../../src/model/server.ts'
import { powerState, type PowerState } from '../../../src/model/server-state.ts'
import { listMigrations } from '../../../src/store/server-migrations.ts'
import { aFault, startFakeHost, type FakeHost } from './fake-host.ts'
import { forcedDown } from './fleet-stage.ts'
import { openStage, type Stage } from './stage.ts'

describe('a live migration that fails', { timeout: 60_000 }, () => {
  let stage: Stage
  let source: FakeHost
  let dest: FakeHost
  let server: Server

  beforeEach(async () => {
    stage = await openStage((config) => {
      config.hosts.downAfterSeconds = 1
    })
    await stage.startConductor()
    source = await startFakeHost(stage.bus, 'h1')
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 1,
    )
    const { id } = await stage.create()
    await stage.conductor().idle()
    server = await stage.server(id)
    assert.equal(server.host, 'h1')
    dest = await startFakeHost(stage.bus, 'h2')
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 2,
    )
    for (const host of [source, dest]) host.answer = ({ verb }) => answers[verb]
  })
  afterEach(() => stage.close())

  /** What hosts say as long as nothing is wrong. */
  const answers: Partial<Record<Verb, object>> = {
    migrateCheckDestination: { probeFile: '/probe', hypervisorVersion: 1 },
    migrateCheckSource: { sharedStorage: false, cpuXml: null },
    migratePrepareDestination: { address: 'h2', disks: [], consoleLogPath: '/log', vncListen: '127.0.0.1' },
  }
  /** The migration fails at the source, where the guest is then so; at the destination it is so. */
  function breaksWith(atSource: PowerState | null, atDest: PowerState | null): void {
    source.fault = ({ verb }) => (verb === 'migrateLive' ? aFault('never') : undefined)
    source.answer = ({ verb }) => (verb === 'migrateAbort' ? { guest: atSource } : answers[verb])
    dest.answer = ({ verb }) => (verb === 'migrateRollbackDestination' ? { guest: atDest } : answers[verb])
  }
  const begin = async (): Promise<void> => {
    const params = { host: 'h2', force: false, blockMigration: 'auto' } as const
    assert.ok(await stage.act(server, 'live-migration', params, 'migrating'))
  }
  const verbsOf = (host: FakeHost): Verb[] => host.carriedOut.map(({ verb }) => verb)
  /** Where it ended, and how its migration did. */
  async function ending(): Promise<(string | null)[]> {
    await stage.conductor().idle()
    assert.deepEqual(await findViolations(stage.store.db), [])
    const { host, vmState, taskState } = await stage.server(server.id)
    const [migration] = await listMigrations(stage.store.db, { serverId: server.id })
    const rows = await stage.store.db.selectFrom('allocations').select('host').execute()
    assert.deepEqual(
      rows.map((row) => row.host),
      [host],
    )
    return [host, vmState, taskState, migration!.status]
  }

  it('leaves the guest at the source, where it was never halted', async () => {
    breaksWith(powerState.RUNNING, null)
    await begin()
    assert.deepEqual(await ending(), ['h1', 'active', null, 'failed'])
    assert.equal(verbsOf(source).includes('unpause'), false)
  })

  it('lets the destination forget it when it ends before anything was prepared', async () => {
    source.fault = ({ verb }) => (verb === 'migrateCheckSource' ? aFault('never') : undefined)
    await begin()
    assert.deepEqual(await ending(), ['h1', 'active', null, 'error'])
    assert.deepEqual(verbsOf(dest), ['migrateCheckDestination', 'migrateAbort'])
  })

  it('lets a guest that was halted run on when the destination does not have it', async () => {
    breaksWith(powerState.PAUSED, null)
    await begin()
    assert.deepEqual(await ending(), ['h1', 'active', null, 'failed'])
    assert.deepEqual(verbsOf(source).slice(-2), ['migrateAbort', 'unpause'])
  })

  it('has come about when the guest runs at the destination, and the one that was halted goes', async () => {
    breaksWith(powerState.PAUSED, powerState.RUNNING)
    await begin()
    assert.deepEqual(await ending(), ['h2', 'active', null, 'completed'])
    assert.deepEqual(verbsOf(source).slice(-2), ['migrateAbort', 'migrateFinishSource'])
  })

  it('waits for the word of a silent destination while the guest is halted', async () => {
    breaksWith(powerState.PAUSED, powerState.RUNNING)
    source.hold = async ({ verb }) => {
      if (verb === 'migrateLive') await dest.leave()
    }
    await begin()
    await stage.until(() => verbsOf(source).includes('migrateAbort'))
    await new Promise((resolve) => {
      setTimeout(resolve, 2500)
    })
    assert.equal(
      (await stage.server(server.id)).taskState,
      'migrating',
      'longer than a host takes to be down',
    )
    await dest.join()
    assert.deepEqual(await ending(), ['h2', 'active', null, 'completed'])
  })

  it('does not wait for a destination that is said to be off', async () => {
    breaksWith(powerState.PAUSED, powerState.RUNNING)
    source.hold = async ({ verb }) => {
      if (verb === 'migrateLive') await dest.leave()
    }
    await begin()
    await stage.until(() => verbsOf(source).includes('migrateAbort'))
    await forcedDown(stage, 'h2', true)
    assert.deepEqual(await ending(), ['h1', 'active', null, 'failed'])
    assert.equal(verbsOf(source).at(-1), 'unpause')
  })

  it('is at the destination once it has left the source, whatever becomes of it there', async () => {
    dest.fault = ({ verb }) => (verb === 'migrateFinishDestination' ? aFault('never') : undefined)
    await begin()
    assert.deepEqual(await ending(), ['h2', 'active', null, 'completed'])
    assert.equal(verbsOf(dest).includes('migrateRollbackDestination'), false, 'its only disk is there')
    assert.equal(verbsOf(source).at(-1), 'migrateFinishSource')
  })

  it('is at the destination when the source says that the guest has gone', async () => {
    breaksWith(null, null)
    await begin()
    assert.deepEqual(await ending(), ['h2', 'active', null, 'completed'])
    assert.equal(verbsOf(dest).includes('migrateRollbackDestination'), false)
  })

  it('lets a guest run on that its silent host halted, when that is back', async () => {
    source.fault = ({ verb }) => (verb === 'migrateLive' ? aFault('same-host') : undefined)
    source.hold = async ({ verb }) => {
      if (verb === 'migrateLive') await source.leave()
    }
    dest.fault = ({ verb }) => (verb === 'migrateFinishDestination' ? aFault('never') : undefined)
    dest.answer = ({ verb }) => (verb === 'migrateRollbackDestination' ? { guest: null } : answers[verb])
    await begin()
    assert.deepEqual(await ending(), ['h1', 'active', null, 'failed'])
    assert.equal(verbsOf(source).includes('unpause'), false)
    await source.join()
    const entry = {
      serverId: server.id,
      powerState: powerState.PAUSED,
      hasDomain: true,
      hasDisk: true,
      busy: false,
    }
    const at = Date.now() + 60_000
    await stage.bus.report({ version: 1, type: 'census', host: 'h1', at, servers: [entry] })
    await stage.until(() => verbsOf(source).includes('unpause'))
  })
})
