import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Server } from '../../src/model/server.ts'
import { insertFault } from '../../src/store/server-faults.ts'
import { setServerTags } from '../../src/store/server-tags.ts'
import { updateServer } from '../../src/store/servers.ts'
import { abroad } from '../support/compute-bed.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

interface Listed {
  name: string
  id: string
}

const names = (answer: { body: { servers: Listed[] } }): string[] =>
  answer.body.servers.map(({ name }) => name)

/** Five servers, each a second younger than the one before, and one abroad. */
async function populated(): Promise<ServerBed & { servers: Server[] }> {
  const bed = await serverBed()
  const servers: Server[] = []
  const states: Partial<Server>[] = [
    { name: 'web-1', vmState: 'active', host: 'alpha' },
    { name: 'web-2', vmState: 'active', taskState: 'rebooting', host: 'alpha' },
    { name: 'db.1', vmState: 'stopped', host: 'alpha' },
    { name: 'new', vmState: 'building', taskState: 'spawning' },
    { name: 'broken', vmState: 'error' },
    { name: 'foreign', vmState: 'active', ...abroad },
  ]
  for (const [index, state] of states.entries())
    servers.push(await bed.addServer({ ...state, createdAt: bed.clock.time + index * 1000 }))
  bed.clock.time += 61_000
  return { ...bed, servers }
}

test('lists show a project’s own servers, newest first', async () => {
  await using bed = await populated()
  const mine = ['broken', 'new', 'db.1', 'web-2', 'web-1']
  assert.deepEqual(names(await bed.call('GET /servers', { as: 'member' })), mine)
  assert.deepEqual(names(await bed.call('GET /servers/detail', { as: 'admin' })), mine)
  assert.deepEqual(names(await bed.call('GET /servers', { as: 'foreigner' })), ['foreign'])
  assert.deepEqual(names(await bed.call('GET /servers?all_tenants=1')), ['foreign', ...mine])
  assert.deepEqual(names(await bed.call('GET /servers?all_tenants=')), ['foreign', ...mine])
  assert.deepEqual(names(await bed.call(`GET /servers?all_tenants=1&project_id=${abroad.projectId}`)), [
    'foreign',
  ])
  assert.deepEqual(names(await bed.call(`GET /servers?project_id=${abroad.projectId}`)), mine)
  assert.equal((await bed.call('GET /servers?all_tenants=1', { as: 'member' })).status, 403)
  assert.equal((await bed.call('GET /servers?all_tenants=maybe')).status, 400)
})

test('filters', async () => {
  await using bed = await populated()
  const [web1, web2, db] = bed.servers
  await setServerTags(bed.store.db, web1!.id, ['red', 'blue'])
  await setServerTags(bed.store.db, web2!.id, ['red'])
  await updateServer(bed.store.db, db!.id, { lockedBy: 'owner', lockedReason: 'why' }, bed.clock.time)
  const cases: [string, string[]][] = [
    ['name=web', ['web-2', 'web-1']],
    ['name=db.1', ['db.1']],
    ['name=^web-[0-9]$', ['web-2', 'web-1']],
    ['name=^.*\\-1$', ['web-1']],
    ['name=%25', []],
    ["name='%20or%20''='", []],
    ['status=active', ['web-1']],
    ['status=ACTIVE&status=SHUTOFF', ['db.1', 'web-1']],
    ['status=REBOOT', ['web-2']],
    ['status=BUILD', ['new']],
    ['status=error', ['broken']],
    ['vm_state=active', ['web-2', 'web-1']],
    ['task_state=spawning', ['new']],
    ['flavor=small', ['broken', 'new', 'db.1', 'web-2', 'web-1']],
    ['flavor=unknown', []],
    [`image=${bed.imageId}`, []],
    ['host=alpha', ['db.1', 'web-2', 'web-1']],
    ['ip=10', []],
    ['power_state=0', ['broken', 'new', 'db.1', 'web-2', 'web-1']],
    ['reservation_id=r-00000001&name=new', ['new']],
    ['tags=red', ['web-2', 'web-1']],
    ['tags=red,blue', ['web-1']],
    ['tags-any=blue,green', ['web-1']],
    ['not-tags=red,blue', ['broken', 'new', 'db.1', 'web-2']],
    ['not-tags-any=red', ['broken', 'new', 'db.1']],
    ['locked=true', ['db.1']],
    ['locked=false&name=web', ['web-2', 'web-1']],
    [`uuid=${web1!.id}`, ['web-1']],
    ['limit=0', []],
  ]
  for (const [query, expected] of cases) {
    const answer = await bed.call(`GET /servers?${query}`)
    assert.equal(answer.status, 200, `${query}: ${JSON.stringify(answer.body)}`)
    assert.deepEqual(names(answer), expected, query)
    assert.deepEqual(names(await bed.call(`GET /servers/detail?${query}`)), expected, query)
  }
})

test('a non-administrator’s unknown filters are dropped without a word', async () => {
  await using bed = await populated()
  const all = names(await bed.call('GET /servers', { as: 'member' }))
  assert.deepEqual(names(await bed.call('GET /servers?host=alpha', { as: 'member' })), all)
  assert.deepEqual(names(await bed.call('GET /servers?vm_state=stopped', { as: 'member', version: 82 })), all)
  assert.deepEqual(names(await bed.call('GET /servers?vm_state=stopped', { as: 'member', version: 83 })), [
    'db.1',
  ])
  assert.deepEqual(names(await bed.call('GET /servers?tags=red', { as: 'member', version: 25 })), all)
  assert.deepEqual(names(await bed.call('GET /servers?deleted=true', { as: 'member' })), all)
  assert.deepEqual(names(await bed.call('GET /servers?whatever=1', { as: 'member', version: 74 })), all)
})

test('queries that make no sense', async () => {
  await using bed = await populated()
  const refused: [string, number, number?][] = [
    ['status=nonsense', 400],
    ['status=nonsense', 200, 37],
    ['status=deleted', 403],
    ['limit=-1', 400],
    ['limit=x', 400],
    ['marker=3f8b4b1c-0000-4000-8000-000000000000', 400],
    ['name=(', 400],
    [`name=${encodeURIComponent('^(a+)+$')}`, 200],
    ['sort_key=nonsense', 400],
    ['sort_key=host', 403],
    ['sort_key=uuid&sort_dir=sideways', 400],
    ['changes-since=yesterday', 400],
    ['changes-since=2026-02-04T00:00:00Z&changes-before=2026-02-03T00:00:00Z', 400],
    ['whatever=1', 400],
    ['locked=perhaps', 400],
  ]
  for (const [query, status, version] of refused) {
    const answer = await bed.call(`GET /servers?${query}`, { as: 'member', version })
    assert.equal(answer.status, status, `${query}: ${JSON.stringify(answer.body)}`)
  }
})

test('a pattern that would never end is stopped', async () => {
  await using bed = await serverBed()
  await bed.addServer({ name: `${'a'.repeat(60)}b` })
  const started = performance.now()
  const answer = await bed.call(`GET /servers?name=${encodeURIComponent('^(a+)+$')}`, { as: 'member' })
  assert.equal(answer.status, 400)
  assert.ok(performance.now() - started < 2000)
})

test('pages: next links lead through every server once, in every order', async () => {
  await using bed = await populated()
  const walk = async (query: string): Promise<string[]> => {
    const found: string[] = []
    let path: string | undefined = `/servers/detail?limit=2&${query}`
    while (path !== undefined) {
      const answer = await bed.call(`GET ${path}`)
      assert.equal(answer.status, 200, path)
      assert.ok(answer.body.servers.length <= 2)
      found.push(...names(answer))
      const next: string | undefined = answer.body.servers_links?.[0].href
      path = next?.replace('http://localhost:80/compute/v2.1', '')
    }
    return found
  }
  const newestFirst = ['broken', 'new', 'db.1', 'web-2', 'web-1']
  assert.deepEqual(await walk(''), newestFirst)
  assert.deepEqual(await walk('sort_dir=asc'), newestFirst.toReversed())
  assert.deepEqual(await walk('sort_key=display_name&sort_dir=asc'), [
    'broken',
    'db.1',
    'new',
    'web-1',
    'web-2',
  ])
  assert.deepEqual(await walk('sort_key=host&sort_dir=asc&sort_key=display_name&sort_dir=desc'), [
    'new',
    'broken',
    'web-2',
    'web-1',
    'db.1',
  ])
  assert.deepEqual(await walk('sort_key=launched_at'), newestFirst)
  assert.deepEqual(await walk('name=.'), newestFirst)
  assert.deepEqual(await walk('sort_key=uuid&status=ACTIVE'), ['web-1'])
})

test('deleted servers: for administrators, and for whoever asks what changed', async () => {
  await using bed = await populated()
  const [web1] = bed.servers
  bed.clock.time += 1000
  const at = bed.clock.time
  await updateServer(bed.store.db, web1!.id, { vmState: 'deleted', deletedAt: at, terminatedAt: at }, at)
  assert.deepEqual(names(await bed.call('GET /servers?name=web')), ['web-2'])
  assert.deepEqual(names(await bed.call('GET /servers?deleted=true')), ['web-1'])
  assert.deepEqual(names(await bed.call('GET /servers?status=deleted')), ['web-1'])
  const since = new Date(at).toISOString()
  assert.deepEqual(names(await bed.call(`GET /servers?changes-since=${since}`, { as: 'member' })), ['web-1'])
  assert.deepEqual(names(await bed.call(`GET /servers?changes-since=${since}&deleted=false`)), [])
  const detail = await bed.call(`GET /servers/detail?changes-since=${since}`, { as: 'member' })
  assert.equal(detail.body.servers[0].status, 'DELETED')
  assert.equal((await bed.call(`GET /servers/${web1!.id}`)).status, 404)
})

test('show: own servers only, host facts for administrators, the newest fault in ERROR', async () => {
  await using bed = await populated()
  const [web1, , , , broken, foreign] = bed.servers
  assert.equal((await bed.call(`GET /servers/${foreign!.id}`, { as: 'member' })).status, 404)
  assert.equal((await bed.call(`GET /servers/${foreign!.id}`)).status, 200)
  assert.deepEqual((await bed.call('GET /servers/none')).body, {
    itemNotFound: { code: 404, message: 'Instance none could not be found.' },
  })
  const { server } = (await bed.call(`GET /servers/${web1!.id}`)).body
  assert.equal(server['OS-EXT-SRV-ATTR:host'], 'alpha')
  assert.equal(server['OS-EXT-SRV-ATTR:hypervisor_hostname'], 'alpha.example.org')
  assert.equal(server['OS-EXT-SRV-ATTR:instance_name'], 'instance-00000001')
  assert.equal(server['OS-EXT-AZ:availability_zone'], 'nova')
  assert.equal(server.host_status, 'UNKNOWN')
  assert.match(server.hostId, /^[0-9a-f]{56}$/)
  const plain = (await bed.call(`GET /servers/${web1!.id}`, { as: 'member' })).body.server
  assert.equal(plain.hostId, server.hostId)
  assert.deepEqual(
    Object.keys(plain).filter((key) => key.startsWith('OS-EXT-SRV-ATTR') || key === 'host_status'),
    ['OS-EXT-SRV-ATTR:hostname'],
  )
  for (const message of ['first', 'second'])
    await insertFault(bed.store.db, broken!.id, {
      code: 500,
      message,
      details: 'inside',
      createdAt: bed.clock.time,
    })
  const { fault } = (await bed.call(`GET /servers/${broken!.id}`)).body.server
  assert.deepEqual(fault, {
    code: 500,
    created: '2026-02-03T04:06:07Z',
    message: 'second',
    details: 'inside',
  })
  const theirs = (await bed.call(`GET /servers/${broken!.id}`, { as: 'member' })).body.server.fault
  assert.equal(theirs.details, undefined)
})
