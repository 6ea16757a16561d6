import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { LodgeError } from '../../../src/base/errors.ts'
import { findViolations } from '../../../src/conductor/invariants.ts'
import type { ActionParams } from '../../../src/model/action.ts'
import type { Server } from '../../../src/model/server.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { listSteps } from '../../../src/store/action-steps.ts'
import { listActions } from '../../../src/store/actions.ts'
import { listMigrations } from '../../../src/store/server-migrations.ts'
import { startSimulatedHosts, type SimulatedHosts } from '../../support/simulated-hosts.ts'
import { steerMigration } from '../../support/steer-migration.ts'
import { openStage, type Stage } from './stage.ts'

const anywhere: ActionParams['live-migration'] = { host: null, force: false, blockMigration: 'auto' }

describe('live migration', { timeout: 60_000 }, () => {
  let stage: Stage
  let hosts: SimulatedHosts
  let server: Server

  before(async () => {
    stage = await openStage()
    await stage.startConductor()
    hosts = await startSimulatedHosts(stage.bus, ['h1', 'h2', 'h3'])
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 3,
    )
  })
  after(async () => {
    await hosts.stop()
    await stage.close()
  })
  beforeEach(async () => {
    hosts.setMigrationMs(20)
    const { id } = await stage.create()
    await stage.conductor().idle()
    server = await stage.server(id)
    assert.equal(server.vmState, 'active')
  })

  const begin = async (params: Partial<ActionParams['live-migration']> = {}): Promise<void> => {
    const begun = await stage.act(server, 'live-migration', { ...anywhere, ...params }, 'migrating')
    assert.ok(begun)
  }
  const finish = async (): Promise<Server> => {
    await stage.conductor().idle()
    assert.deepEqual(await findViolations(stage.store.db), [])
    return stage.server(server.id)
  }
  const migration = async () => (await listMigrations(stage.store.db, { serverId: server.id }))[0]!
  const untilStatus = (status: string) => stage.until(async () => (await migration())?.status === status)
  const steps = async () => {
    const [action] = (await listActions(stage.store.db, server.id))!
    return (await listSteps(stage.store.db, action!.id)).map(({ event, result }) => `${event} ${result}`)
  }
  const allocations = async () =>
    (
      await stage.store.db
        .selectFrom('allocations')
        .select('host')
        .where('server_id', '=', server.id)
        .execute()
    ).map(({ host }) => host)

  it('moves guest, record and allocation, with Nova’s events', async () => {
    const source = server.host!
    await begin()
    const moved = await finish()
    assert.notEqual(moved.host, source)
    assert.deepEqual([moved.vmState, moved.taskState, moved.powerState], ['active', null, powerState.RUNNING])
    assert.deepEqual(await hosts.homesOf(server.id), [moved.host])
    assert.deepEqual(await hosts.disksOf(server.id), [moved.host])
    assert.deepEqual(await allocations(), [moved.host])
    const { status, sourceHost, destHost, type } = await migration()
    assert.deepEqual(
      [status, sourceHost, destHost, type],
      ['completed', source, moved.host, 'live-migration'],
    )
    assert.deepEqual(await steps(), [
      'compute_check_can_live_migrate_destination Success',
      'compute_check_can_live_migrate_source Success',
      'compute_pre_live_migration Success',
      'compute_live_migration Success',
      'compute_post_live_migration_at_destination Success',
    ])
  })

  it('takes the host that it is told, and keeps a paused guest paused', async () => {
    assert.ok(await stage.act(server, 'pause', {}, 'pausing'))
    await stage.conductor().idle()
    server = await stage.server(server.id)
    const host = ['h1', 'h2', 'h3'].find((name) => name !== server.host)!
    await begin({ host })
    const moved = await finish()
    assert.deepEqual([moved.host, moved.vmState, moved.powerState], [host, 'paused', powerState.PAUSED])
  })

  it('tells how far it is, and gives up when it is aborted', async () => {
    hosts.setMigrationMs(60_000)
    await begin()
    await stage.until(async () => ((await migration())?.progress.memoryTotalBytes ?? 0) > 0)
    const { id } = await migration()
    assert.deepEqual((await allocations()).length, 2, 'both hosts are held while it lasts')
    assert.ok(await steerMigration(stage, server, 'live_migration_cancel', id))
    const stayed = await finish()
    assert.deepEqual([stayed.host, stayed.vmState, stayed.taskState], [server.host, 'active', null])
    assert.equal((await migration()).status, 'cancelled')
    assert.deepEqual(await hosts.homesOf(server.id), [server.host])
    assert.deepEqual(await hosts.disksOf(server.id), [server.host])
    assert.deepEqual(await allocations(), [server.host])
  })

  it('shows in its server how far it is, until it has ended', async () => {
    hosts.setMigrationMs(2500)
    await begin()
    await stage.until(async () => (await stage.server(server.id)).progress > 0)
    const moved = await finish()
    assert.notEqual(moved.host, server.host)
    assert.equal(moved.progress, 0)
  })

  it('waits its turn as queued, and an abort ends it without waiting', async () => {
    const first = server
    const { id } = await stage.create()
    await stage.conductor().idle()
    server = await stage.server(id)
    if (server.host !== first.host) {
      await begin({ host: first.host })
      server = await finish()
    }
    const second = server
    hosts.setMigrationMs(60_000)
    server = first
    await begin()
    await untilStatus('running')
    server = second
    await begin()
    await stage.until(async () => (await steps()).some((step) => step.startsWith('compute_live_migration')))
    assert.equal((await migration()).status, 'queued')
    assert.ok(await steerMigration(stage, second, 'live_migration_cancel', (await migration()).id))
    await untilStatus('cancelled')
    await stage.until(async () => (await stage.server(second.id)).taskState === null)
    assert.equal((await stage.server(second.id)).host, second.host)
    assert.deepEqual(await hosts.disksOf(second.id), [second.host])

    server = first
    assert.equal((await migration()).status, 'running')
    assert.ok(await steerMigration(stage, first, 'live_migration_cancel', (await migration()).id))
    await finish()
  })

  it('comes to its end when it is forced to, and the guest runs on', async () => {
    hosts.setMigrationMs(1500)
    await begin()
    await untilStatus('running')
    await stage.until(async () => ((await migration())?.progress.memoryTotalBytes ?? 0) > 0)
    assert.ok(await steerMigration(stage, server, 'live_migration_force_complete', (await migration()).id))
    const moved = await finish()
    assert.notEqual(moved.host, server.host)
    assert.equal(moved.powerState, powerState.RUNNING)
    assert.equal(await hosts.powerOf(server.id, moved.host!), powerState.RUNNING)
  })

  it('tries the next host when one cannot take the guest', async () => {
    const others = ['h1', 'h2', 'h3'].filter((name) => name !== server.host)
    let failed = ''
    for (const name of others)
      hosts.onCommand(name, (verb) => {
        if (verb !== 'migrateCheckDestination' || failed !== '') return
        failed = name
        hosts.hypervisor(name).fail('findDomain', { times: 1, error: new LodgeError('internal', 'broken') })
      })
    await begin()
    const moved = await finish()
    assert.notEqual(failed, '')
    assert.equal(
      moved.host,
      others.find((name) => name !== failed),
    )
    assert.equal((await migration()).destHost, moved.host)
    assert.equal((await migration()).status, 'completed')
  })

  it('stays where it is when the copying fails', async () => {
    hosts.hypervisor(server.host!).fail('migrate', {
      times: 1,
      uuid: server.id,
      error: new LodgeError('internal', 'operation failed: QEMU said no'),
    })
    await begin()
    const stayed = await finish()
    assert.deepEqual([stayed.host, stayed.vmState, stayed.taskState], [server.host, 'active', null])
    assert.equal((await migration()).status, 'failed')
    assert.deepEqual(await hosts.disksOf(server.id), [server.host])
  })

  it('has moved when only the answer was lost', async () => {
    hosts.hypervisor(server.host!).fail('migrate', {
      times: 1,
      after: true,
      uuid: server.id,
      error: new LodgeError('internal', 'operation failed: connection reset'),
    })
    await begin()
    const moved = await finish()
    assert.notEqual(moved.host, server.host)
    assert.equal((await migration()).status, 'completed')
  })

  it('is refused where the user excludes what the storage is', async () => {
    await begin({ blockMigration: false })
    const stayed = await finish()
    assert.equal(stayed.host, server.host)
    assert.equal((await migration()).status, 'error')
    assert.deepEqual(await hosts.disksOf(server.id), [server.host])
  })

  it('leaves nothing on either host when the server is deleted in the middle', async () => {
    hosts.setMigrationMs(60_000)
    await begin()
    await stage.until(async () => ((await migration())?.progress.memoryTotalBytes ?? 0) > 0)
    assert.ok(await stage.act(server, 'delete', {}, 'deleting'))
    const gone = await finish()
    assert.equal(gone.vmState, 'deleted')
    assert.deepEqual(await hosts.homesOf(server.id), [])
    assert.deepEqual(await hosts.disksOf(server.id), [])
    assert.deepEqual(await allocations(), [])
    assert.equal((await migration()).status, 'cancelled')
  })

  it('leaves disks behind only until the next census', async () => {
    const source = server.host!
    const { id } = server
    hosts.onCommand(source, (verb) => {
      if (verb === 'migrateFinishSource' && server.id === id)
        hosts
          .hypervisor(source)
          .fail('findDomain', { times: 1, uuid: server.id, error: new LodgeError('internal', 'broken') })
    })
    await begin()
    const moved = await finish()
    assert.deepEqual(await hosts.disksOf(server.id), [source, moved.host].sort())
    await hosts.census(source)
    await stage.until(async () => (await hosts.disksOf(server.id)).length === 1)
    assert.deepEqual(await hosts.disksOf(server.id), [moved.host])
    assert.deepEqual(await hosts.homesOf(server.id), [moved.host])
  })

  for (const [what, point] of [
    ['before it is sent', 'live-migration:migrate:command'],
    ['after it has moved', 'live-migration:migrate:answered'],
    ['at the destination', 'live-migration:finish-destination:answered'],
  ] as const)
    it(`is brought to its end by the next conductor when one dies ${what}`, async () => {
      await stage.conductor().stop()
      await stage.startConductor({ crashAt: point })
      await begin()
      await stage.conductor().idle()
      assert.equal((await stage.server(server.id)).taskState, 'migrating')
      await stage.conductor().stop()
      await stage.startConductor()
      const moved = await finish()
      assert.notEqual(moved.host, server.host)
      assert.deepEqual(await hosts.homesOf(server.id), [moved.host])
      assert.equal((await migration()).status, 'completed')
    })

  it('goes on when the agent of the source was restarted in the middle', async () => {
    hosts.setMigrationMs(4500)
    const source = server.host!
    await begin()
    await stage.until(async () => ((await migration())?.progress.memoryTotalBytes ?? 0) > 0)
    await hosts.restartAgent(source)
    const moved = await finish()
    assert.notEqual(moved.host, source)
    assert.deepEqual(await hosts.homesOf(server.id), [moved.host])
    assert.deepEqual(await hosts.disksOf(server.id), [moved.host])
  })
})
