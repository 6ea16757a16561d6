import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newRequestId } from '../../src/base/ids.ts'
import type { Migration } from '../../src/model/migration.ts'
import type { Server } from '../../src/model/server.ts'
import { listActions } from '../../src/store/actions.ts'
import { getServer } from '../../src/store/servers.ts'
import { getMigration, insertMigration, updateMigration } from '../../src/store/server-migrations.ts'
import { abroad } from '../support/compute-bed.ts'
import { holdAgainstNova, novaIsHere } from '../support/nova-contract.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

const active: Partial<Server> = { vmState: 'active', host: 'alpha', powerState: 1 }
const auto = { block_migration: 'auto', host: null }

const act = (bed: ServerBed, server: Server, body: object, more: object = {}) =>
  bed.call(`POST /servers/${server.id}/action`, { body, ...more })

async function migrating(bed: ServerBed, more: Partial<Migration> = {}) {
  const server = await bed.addServer({ ...active, taskState: 'migrating' })
  const migration = await insertMigration(
    bed.store.db,
    {
      serverId: server.id,
      requestId: newRequestId(),
      projectId: server.projectId,
      userId: server.userId,
      type: 'live-migration',
      status: 'running',
      sourceHost: 'alpha',
      destHost: 'beta',
      oldFlavorId: '1',
      newFlavorId: '1',
      ...more,
    },
    bed.clock.time,
  )
  return { server, migration, at: `/servers/${server.id}/migrations/${migration.number}` }
}

test('os-migrateLive leaves a row for the conductor, with what the microversion means', async () => {
  await using bed = await serverBed()
  await bed.addHost('beta')
  const old = { block_migration: true, disk_over_commit: false }
  const cases: [number, object, object][] = [
    [1, { ...old, host: null }, { host: null, force: false, blockMigration: true }],
    [24, { ...old, host: 'beta' }, { host: 'beta', force: true, blockMigration: true }],
    [25, auto, { host: null, force: false, blockMigration: 'auto' }],
    [29, { ...auto, host: 'beta' }, { host: 'beta', force: true, blockMigration: 'auto' }],
    [30, { ...auto, host: 'beta' }, { host: 'beta', force: false, blockMigration: 'auto' }],
    [67, { ...auto, host: 'beta', force: true }, { host: 'beta', force: true, blockMigration: 'auto' }],
    [68, { block_migration: false, host: 'beta' }, { host: 'beta', force: false, blockMigration: false }],
  ]
  for (const [version, body, params] of cases) {
    const server = await bed.addServer(active)
    const answer = await act(bed, server, { 'os-migrateLive': body }, { version })
    assert.equal(answer.status, 202, `2.${version}: ${JSON.stringify(answer.body)}`)
    const [action] = (await listActions(bed.store.db, server.id))!
    assert.deepEqual([action!.name, action!.params], ['live-migration', params])
    assert.equal((await getServer(bed.store.db, server.id))!.taskState, 'migrating')
  }
})

test('os-migrateLive refuses what cannot be', async () => {
  await using bed = await serverBed()
  await bed.addHost('beta')
  const refused = async (status: number, body: object, more: object = {}, of: Partial<Server> = active) => {
    const server = await bed.addServer(of)
    const answer = await act(bed, server, { 'os-migrateLive': body }, more)
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    assert.deepEqual(await listActions(bed.store.db, server.id), [])
  }
  await refused(400, auto, { version: 24 })
  await refused(400, { ...auto, disk_over_commit: true }, { version: 25 })
  await refused(400, { ...auto, force: true }, { version: 68 })
  await refused(400, { ...auto, force: true }, { version: 30 })
  await refused(400, { ...auto, host: 'nowhere' })
  await refused(400, { ...auto, host: 'alpha' }, { version: 33 })
  await refused(403, auto, { as: 'member' })
  await refused(409, auto, {}, { ...active, vmState: 'stopped' })
  await refused(409, auto, {}, { ...active, taskState: 'rebooting' })
})

test('a server shows its live migrations that are under way, and how far they are', async () => {
  await using bed = await serverBed()
  await bed.addHost('beta', { hostIp: '192.0.2.7' })
  const { server, migration, at } = await migrating(bed)
  const progress = {
    memoryTotalBytes: 100,
    memoryProcessedBytes: 60,
    memoryRemainingBytes: 40,
    diskTotalBytes: 0,
  }
  await updateMigration(bed.store.db, migration.id, { progress }, bed.clock.time)
  const { body } = await bed.call(`GET /servers/${server.id}/migrations`)
  assert.deepEqual(body.migrations, [
    {
      id: migration.number,
      uuid: migration.id,
      server_uuid: server.id,
      status: 'running',
      source_compute: 'alpha',
      source_node: 'alpha',
      dest_compute: 'beta',
      dest_node: 'beta',
      dest_host: '192.0.2.7',
      memory_total_bytes: 100,
      memory_processed_bytes: 60,
      memory_remaining_bytes: 40,
      disk_total_bytes: null,
      disk_processed_bytes: null,
      disk_remaining_bytes: null,
      created_at: '2026-02-03T04:05:06.000000',
      updated_at: '2026-02-03T04:05:06.000000',
      project_id: server.projectId,
      user_id: server.userId,
    },
  ])
  assert.deepEqual((await bed.call(`GET ${at}`)).body.migration, body.migrations[0])
  await updateMigration(bed.store.db, migration.id, { status: 'completed' }, bed.clock.time)
  assert.deepEqual((await bed.call(`GET /servers/${server.id}/migrations`)).body.migrations, [])
  assert.equal((await bed.call(`GET ${at}`)).status, 404)
  assert.equal((await bed.call(`GET /servers/${server.id}/migrations/x`)).status, 404)
  assert.equal((await bed.call(`GET ${at}`, { version: 22 })).status, 404)
})

test('a live migration is aborted or forced to its end only while that makes sense', async () => {
  await using bed = await serverBed()
  const first = await migrating(bed)
  assert.equal((await bed.call(`DELETE ${first.at}`, { as: 'member' })).status, 403)
  assert.equal((await bed.call(`DELETE ${first.at}`, { version: 23 })).status, 404)
  assert.equal((await bed.call(`DELETE ${first.at}`)).status, 202)
  const [cancel] = (await listActions(bed.store.db, first.server.id))!
  assert.deepEqual(
    [cancel!.name, cancel!.params],
    ['live_migration_cancel', { migrationId: first.migration.id }],
  )

  const second = await migrating(bed)
  const force = { body: { force_complete: null } }
  assert.equal((await bed.call(`POST ${second.at}/action`, force)).status, 202)
  assert.equal((await bed.call(`POST ${second.at}/action`, { body: { force_complete: {} } })).status, 400)

  const waiting = await migrating(bed, { status: 'queued' })
  assert.equal((await bed.call(`DELETE ${waiting.at}`, { version: 64 })).status, 400)
  assert.equal((await bed.call(`POST ${waiting.at}/action`, force)).status, 400)
  assert.equal((await bed.call(`DELETE ${waiting.at}`, { version: 65 })).status, 202)
  assert.equal((await getMigration(bed.store.db, waiting.migration))!.status, 'cancelled')

  const over = await migrating(bed, { status: 'completed' })
  assert.equal((await bed.call(`DELETE ${over.at}`)).status, 400)
  const idle = await bed.addServer(active)
  assert.equal((await bed.call(`DELETE /servers/${idle.id}/migrations/1`)).status, 409)
  const others = `/servers/${second.server.id}/migrations/${over.migration.number}`
  assert.equal((await bed.call(`DELETE ${others}`)).status, 404)
})

test('all migrations are listed newest first, filtered and in pages', async () => {
  await using bed = await serverBed()
  const first = await migrating(bed)
  bed.clock.time += 60_000
  const second = await migrating(bed, {
    type: 'resize',
    status: 'finished',
    sourceHost: 'beta',
    destHost: 'gamma',
  })
  const third = await migrating(bed, { projectId: abroad.projectId, userId: abroad.userId, status: 'error' })
  const list = async (query: string, more: object = {}) =>
    (await bed.call(`GET /os-migrations?${query}`, more)).body.migrations.map((one: { id: number }) => one.id)
  const [a, b, c] = [first, second, third].map(({ migration }) => migration.number)
  assert.deepEqual(await list(''), [c, b, a])
  assert.deepEqual(await list('status=running'), [a])
  assert.deepEqual(await list('migration_type=resize'), [b])
  assert.deepEqual(await list('host=beta'), [c, b, a])
  assert.deepEqual(await list('source_compute=beta'), [b])
  assert.deepEqual(await list(`instance_uuid=${third.server.id}`), [c])
  assert.deepEqual(await list(`project_id=${abroad.projectId}`), [c])
  assert.deepEqual(await list('changes-since=2026-02-03T04:06:00Z'), [c, b])
  assert.deepEqual(await list('changes-before=2026-02-03T04:05:30Z'), [a])
  const page = (await bed.call('GET /os-migrations?limit=2')).body
  assert.deepEqual(page.migrations.length, 2)
  assert.match(page.migrations_links[0].href, new RegExp(`limit=2&marker=${second.migration.id}$`))
  assert.deepEqual(await list(`limit=2&marker=${second.migration.id}`), [a])
  assert.equal((await bed.call('GET /os-migrations?marker=none')).status, 400)
  const links = (await bed.call('GET /os-migrations?status=running')).body.migrations[0].links
  assert.match(links[0].href, new RegExp(`${first.at}$`))
})

test(
  'migrations have Nova’s shapes at every microversion',
  { skip: !novaIsHere && 'no schemas of Nova beside this checkout' },
  async () => {
    await using bed = await serverBed()
    const { server, migration } = await migrating(bed)
    const at = `/servers/${server.id}`
    await holdAgainstNova(bed, { route: 'GET /os-migrations', call: () => 'GET /os-migrations' })
    await holdAgainstNova(bed, {
      route: 'GET /servers/{server_id}/migrations',
      call: () => `GET ${at}/migrations`,
    })
    await holdAgainstNova(bed, {
      route: 'GET /servers/{server_id}/migrations/{id}',
      call: () => `GET ${at}/migrations/${migration.number}`,
    })
  },
)

test('migrations name flavors by numbers, which stay when a flavor goes', async () => {
  await using bed = await serverBed()
  const flavor = { name: 'short-lived', vcpus: 1, ram: 64, disk: 1 }
  const { id } = (await bed.call('POST /flavors', { body: { flavor } })).body.flavor
  await migrating(bed, { oldFlavorId: '1', newFlavorId: id })
  const numbers = async (): Promise<number[]> => {
    const [shown] = (await bed.call('GET /os-migrations')).body.migrations
    return [shown.old_instance_type_id, shown.new_instance_type_id]
  }
  const before = await numbers()
  assert.ok(before.every(Number.isInteger))
  assert.notEqual(before[0], before[1])
  assert.equal((await bed.call(`DELETE /flavors/${id}`)).status, 202)
  assert.deepEqual(await numbers(), before)
})
