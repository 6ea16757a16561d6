import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findViolations } from '../../src/conductor/invariants.ts'
import { finishSteps, insertStep } from '../../src/store/action-steps.ts'
import { listActions } from '../../src/store/actions.ts'
import { getImage } from '../../src/store/images.ts'
import { getServer, updateServer } from '../../src/store/servers.ts'
import type { Server } from '../../src/model/server.ts'
import { abroad } from '../support/compute-bed.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

const running: Partial<Server> = { vmState: 'active', host: 'alpha', powerState: 1 }

const act = (bed: ServerBed, server: Server, body: object, more: object = {}) =>
  bed.call(`POST /servers/${server.id}/action`, { as: 'member', body, ...more })

test('each action sets its task and leaves a row for the conductor', async () => {
  await using bed = await serverBed()
  const cases: [object, Partial<Server>, string, string][] = [
    [{ 'os-stop': null }, { vmState: 'active' }, 'stop', 'powering-off'],
    [{ 'os-start': null }, { vmState: 'stopped' }, 'start', 'powering-on'],
    [{ pause: null }, { vmState: 'active' }, 'pause', 'pausing'],
    [{ unpause: null }, { vmState: 'paused' }, 'unpause', 'unpausing'],
    [{ suspend: null }, { vmState: 'active' }, 'suspend', 'suspending'],
    [{ resume: null }, { vmState: 'suspended' }, 'resume', 'resuming'],
    [{ reboot: { type: 'soft' } }, { vmState: 'active' }, 'reboot', 'rebooting'],
    [{ reboot: { type: 'HARD' } }, { vmState: 'error' }, 'reboot', 'rebooting_hard'],
  ]
  for (const [body, state, name, task] of cases) {
    const server = await bed.addServer({ ...running, ...state })
    const before = bed.wakes()
    const answer = await act(bed, server, body)
    assert.equal(answer.status, 202, `${name}: ${JSON.stringify(answer.body)}`)
    assert.equal(answer.body, undefined)
    assert.equal(bed.wakes(), before + 1)
    assert.equal((await getServer(bed.store.db, server.id))?.taskState, task)
    const actions = (await listActions(bed.store.db, server.id)) ?? []
    assert.deepEqual(
      actions.map((action) => [action.name, action.state, action.requestId]),
      [[name, 'queued', answer.headers['x-openstack-request-id']]],
    )
    // The second one comes too late, whichever it is.
    const again = await act(bed, server, body)
    const hard = task === 'rebooting_hard'
    assert.equal(again.status, hard ? 202 : 409, name)
    if (!hard)
      assert.match(again.body.conflictingRequest.message, new RegExp(`while it is in task_state ${task}$`))
  }
})

test('states, locks and missing hosts refuse in Nova’s words and order', async () => {
  await using bed = await serverBed()
  const paused = await bed.addServer({ ...running, vmState: 'paused' })
  const wrong = await act(bed, paused, { 'os-start': null })
  assert.deepEqual(wrong.body, {
    conflictingRequest: {
      code: 409,
      message: `Cannot 'start' instance ${paused.id} while it is in vm_state paused`,
    },
  })
  const homeless = await bed.addServer({ vmState: 'error' })
  assert.match(
    (await act(bed, homeless, { 'os-stop': null })).body.conflictingRequest.message,
    /is not ready$/,
  )
  await updateServer(bed.store.db, paused.id, { lockedBy: 'owner' }, bed.clock.time)
  assert.match((await act(bed, paused, { unpause: null })).body.conflictingRequest.message, /is locked$/)
  assert.equal((await bed.call(`DELETE /servers/${paused.id}`, { as: 'member' })).status, 409)
  assert.equal((await act(bed, paused, { unpause: null }, { as: 'admin' })).status, 202)
  assert.equal((await act(bed, paused, { unpause: null }, { as: 'foreigner' })).status, 404)
  assert.equal((await act(bed, paused, { 'os-resetState': { state: 'active' } })).status, 403)
  assert.equal((await act(bed, paused, { reboot: { type: 'GENTLE' } })).status, 400)
  assert.equal((await act(bed, paused, { reboot: null })).status, 400)
  assert.match((await act(bed, paused, { fly: null })).body.badRequest.message, /no such action: fly/)
})

test('delete works at any state, and twice', async () => {
  await using bed = await serverBed()
  for (const state of ['active', 'building', 'error', 'suspended'] as const) {
    const server = await bed.addServer({
      vmState: state,
      taskState: state === 'building' ? 'spawning' : null,
    })
    for (let time = 0; time < 2; time++)
      assert.equal((await bed.call(`DELETE /servers/${server.id}`, { as: 'member' })).status, 204)
    assert.equal((await getServer(bed.store.db, server.id))?.taskState, 'deleting')
    assert.equal((await listActions(bed.store.db, server.id))?.length, 1)
  }
  assert.equal((await bed.call('DELETE /servers/none')).status, 404)
})

test('createImage queues an image that carries where it came from', async () => {
  await using bed = await serverBed()
  const created = await bed.call('POST /servers', { as: 'member', body: bed.body() })
  const server = (await getServer(bed.store.db, created.body.server.id))!
  await updateServer(bed.store.db, server.id, { ...running, taskState: null }, bed.clock.time)
  const body = { createImage: { name: 'my <image>', metadata: { mine: 'x' } } }
  const answer = await act(bed, server, body)
  assert.equal(answer.status, 202)
  const image = await getImage(bed.store.db, answer.body.image_id)
  assert.equal(image?.status, 'queued')
  assert.equal(image?.owner, server.projectId)
  assert.equal(image?.visibility, 'private')
  assert.equal(image?.minDiskGiB, 1)
  assert.deepEqual(image?.properties, {
    os_type: 'linux',
    base_image_ref: bed.imageId,
    image_type: 'snapshot',
    instance_uuid: server.id,
    user_id: server.userId,
    owner_id: server.projectId,
    boot_roles: 'member,reader',
    mine: 'x',
  })
  assert.equal((await getServer(bed.store.db, server.id))?.taskState, 'image_snapshot_pending')
  const [action] = (await listActions(bed.store.db, server.id)) ?? []
  assert.deepEqual(action?.params, { imageId: image?.id, diskFormat: 'qcow2' })

  // Refused: no second image is left behind.
  const count = async () => (await bed.store.db.selectFrom('images').select('id').execute()).length
  const before = await count()
  assert.equal((await act(bed, server, body)).status, 409)
  assert.equal(await count(), before)

  await updateServer(bed.store.db, server.id, { taskState: null }, bed.clock.time)
  const old = await act(bed, server, body, { version: 44 })
  assert.equal(old.status, 202)
  assert.match(String(old.headers['location']), /^http:\/\/localhost:80\/image\/v2\/images\/[0-9a-f-]{36}$/)
})

test('locks: of owners and of administrators', async () => {
  await using bed = await serverBed()
  const mine = await bed.addServer(running)
  const theirs = await bed.addServer({ ...running, ...abroad })
  assert.equal((await act(bed, mine, { lock: { locked_reason: 'do not touch' } })).status, 202)
  assert.equal((await act(bed, mine, { lock: { locked_reason: 'other' } })).status, 202)
  const { server } = (await bed.call(`GET /servers/${mine.id}`, { as: 'member' })).body
  assert.equal(server.locked, true)
  assert.equal(server.locked_reason, 'do not touch')
  assert.equal((await act(bed, mine, { unlock: null })).status, 202)
  assert.equal((await act(bed, theirs, { lock: null }, { as: 'admin' })).status, 202)
  const refused = await act(bed, theirs, { unlock: null }, { as: 'foreigner' })
  assert.equal(refused.status, 403)
  assert.match(refused.body.forbidden.message, /unlock_override/)
  assert.equal((await act(bed, theirs, { unlock: null }, { as: 'admin' })).status, 202)
  assert.equal((await act(bed, mine, { lock: { reason: 'x' } })).status, 400)
  assert.equal((await act(bed, mine, { lock: { whatever: 'x' } }, { version: 72 })).status, 202)
  const actions = (await bed.call(`GET /servers/${mine.id}/os-instance-actions`)).body.instanceActions
  assert.deepEqual(
    actions.map(({ action }: { action: string }) => action),
    ['lock', 'unlock', 'lock'],
  )
})

test('resetState changes the record alone', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer({ ...running, taskState: 'spawning' })
  assert.equal((await act(bed, server, { 'os-resetState': { state: 'error' } }, { as: 'admin' })).status, 202)
  const after = await getServer(bed.store.db, server.id)
  assert.deepEqual([after?.vmState, after?.taskState, after?.powerState], ['error', null, 0])
  assert.equal(bed.wakes(), 0)
})

test('a server that was never placed may be called active, as in Nova, and is no riddle to the doctor', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer({ vmState: 'error', host: null })
  const violations = (): Promise<string[]> => findViolations(bed.store.db)
  await updateServer(bed.store.db, server.id, { vmState: 'active' }, bed.clock.time)
  assert.deepEqual(await violations(), [`server ${server.id} has no host`])
  await updateServer(bed.store.db, server.id, { vmState: 'error' }, bed.clock.time)
  assert.equal((await violations()).length, 1)
  for (const state of ['error', 'active']) {
    assert.equal((await act(bed, server, { 'os-resetState': { state } }, { as: 'admin' })).status, 202)
    assert.deepEqual(await violations(), [])
  }
  assert.equal((await bed.call(`GET /servers/${server.id}`)).body.server.status, 'ACTIVE')
  const refused = await act(bed, server, { reboot: { type: 'HARD' } })
  assert.equal(refused.status, 409)
  assert.match(refused.body.conflictingRequest.message, /is not ready/)
  assert.equal((await bed.call(`DELETE /servers/${server.id}`)).status, 204)
})

test('the console is asked of the server’s host', async () => {
  await using bed = await serverBed()
  const asked: unknown[] = []
  bed.services.ask = (async (query: unknown) => {
    asked.push(query)
    return { output: 'login: ' }
  }) as never
  const server = await bed.addServer(running)
  const lengths: [unknown, number | null][] = [
    [{}, null],
    [{ length: 5 }, 5],
    [{ length: '7' }, 7],
    [{ length: -1 }, null],
    [{ length: null }, null],
  ]
  for (const [body, length] of lengths) {
    const answer = await act(bed, server, { 'os-getConsoleOutput': body })
    assert.deepEqual(answer.body, { output: 'login: ' })
    assert.deepEqual(asked.pop(), {
      version: 1,
      host: 'alpha',
      name: 'consoleOutput',
      params: { serverId: server.id, length },
    })
  }
  assert.equal((await act(bed, server, { 'os-getConsoleOutput': { length: -2 } })).status, 400)
  const homeless = await bed.addServer({ vmState: 'building' })
  assert.equal((await act(bed, homeless, { 'os-getConsoleOutput': {} })).status, 409)
})

test('metadata', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer({ ...running, metadata: { a: '1' } })
  const at = (what: string, body?: unknown) => {
    const [method, path = ''] = what.split(' ')
    return bed.call(`${method} /servers/${server.id}/metadata${path}`, { as: 'member', body })
  }
  assert.deepEqual((await at('GET ')).body, { metadata: { a: '1' } })
  assert.deepEqual((await at('POST ', { metadata: { b: '2', a: '3' } })).body, {
    metadata: { a: '3', b: '2' },
  })
  assert.deepEqual((await at('PUT /c%20d', { meta: { 'c d': 'x' } })).body, { meta: { 'c d': 'x' } })
  assert.deepEqual((await at('GET /c%20d')).body, { meta: { 'c d': 'x' } })
  assert.equal((await at('PUT /e', { meta: { f: 'x' } })).status, 400)
  assert.equal((await at('PUT /e', { meta: { e: 'x', f: 'x' } })).status, 400)
  assert.equal((await at('DELETE /a')).status, 204)
  assert.equal((await at('DELETE /a')).status, 404)
  assert.equal((await at('GET /toString')).status, 404)
  assert.deepEqual((await at('PUT ', { metadata: {} })).body, { metadata: {} })
  bed.services.config.quota.metadataItems = 1
  assert.equal((await at('PUT ', { metadata: { a: '', b: '' } })).status, 403)
  await updateServer(bed.store.db, server.id, { vmState: 'building' }, bed.clock.time)
  assert.equal((await at('PUT ', { metadata: {} })).status, 409)
})

test('tags', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer(running)
  const at = (what: string, body?: unknown, version?: number) => {
    const [method, path = ''] = what.split(' ')
    return bed.call(`${method} /servers/${server.id}/tags${path}`, { as: 'member', body, version })
  }
  assert.equal((await at('GET ', undefined, 25)).status, 404)
  const added = await at('PUT /a%20b')
  assert.equal(added.status, 201)
  assert.match(String(added.headers['location']), /\/tags\/a%20b$/)
  assert.equal((await at('PUT /a%20b')).status, 204)
  assert.equal((await at('GET /a%20b')).status, 204)
  assert.equal((await at('GET /b')).status, 404)
  assert.equal((await at('PUT /a,b')).status, 400)
  assert.deepEqual((await at('PUT ', { tags: ['z', 'y', 'z'] })).body, { tags: ['y', 'z'] })
  assert.equal((await at('DELETE /y')).status, 204)
  assert.equal((await at('DELETE /y')).status, 404)
  assert.deepEqual((await at('GET ')).body, { tags: ['z'] })
  assert.equal((await at('DELETE ')).status, 204)
  assert.equal((await at('PUT ', { tags: Array.from({ length: 50 }, (_, i) => `t${i}`) })).status, 200)
  assert.equal((await at('PUT /more')).status, 400)
})

test('actions with their steps, to whom and since when', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer(running)
  const { headers } = await act(bed, server, { pause: null })
  const [action] = (await listActions(bed.store.db, server.id)) ?? []
  const now = bed.clock.time
  await insertStep(bed.store.db, {
    actionId: action!.id,
    event: 'compute_pause_instance',
    host: 'alpha',
    now,
  })
  await finishSteps(bed.store.db, action!.id, { result: 'Error', details: 'why', traceback: 'where', now })
  const path = `/servers/${server.id}/os-instance-actions/${String(headers['x-openstack-request-id'])}`
  const event = async (as: 'admin' | 'member', version: number) =>
    (await bed.call(`GET ${path}`, { as, version })).body.instanceAction.events?.[0]
  assert.equal(await event('member', 50), undefined)
  assert.equal((await event('admin', 50)).traceback, 'where')
  assert.deepEqual(Object.keys(await event('member', 51)).sort(), [
    'event',
    'finish_time',
    'result',
    'start_time',
  ])
  const newest = await event('admin', 84)
  assert.equal(newest.host, 'alpha')
  assert.equal(newest.details, 'why')
  assert.equal(newest.start_time, '2026-02-03T04:05:06.000000')
  assert.match((await event('member', 84)).hostId, /^[0-9a-f]{56}$/)
  assert.equal((await bed.call(`GET /servers/${server.id}/os-instance-actions/req-none`)).status, 404)
  assert.equal((await bed.call(`GET /servers/${server.id}/os-instance-actions?marker=req-none`)).status, 400)
  const page = await bed.call(`GET /servers/${server.id}/os-instance-actions?limit=1`)
  assert.match(page.body.links[0].href, /limit=1&marker=req-/)
  // Deleted servers tell their history from 2.21 on.
  await updateServer(bed.store.db, server.id, { vmState: 'deleted', deletedAt: now }, now)
  assert.equal((await bed.call(`GET ${path}`, { version: 20 })).status, 404)
  assert.equal((await bed.call(`GET ${path}`, { version: 21 })).status, 200)
})

test('update', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer({ ...running, lockedBy: 'admin' })
  const put = (more: object, version?: number) =>
    bed.call(`PUT /servers/${server.id}`, { as: 'member', body: { server: more }, version })
  const { body } = await put({
    name: 'new name',
    description: 'd',
    hostname: 'a.b',
    accessIPv6: '2001:DB8:0::192.0.2.1',
  })
  assert.equal(body.server.name, 'new name')
  assert.equal(body.server['OS-EXT-SRV-ATTR:hostname'], 'a.b')
  assert.equal(body.server.accessIPv6, '2001:db8::c000:201', 'as Nova writes it')
  assert.equal((await put({})).status, 200)
  assert.equal((await put({ description: null })).body.server.description, null)
  assert.equal((await put({ name: '' })).status, 400)
  assert.equal((await put({ accessIPv4: 'here' })).status, 400)
  assert.equal((await put({ description: 'x' }, 18)).status, 400)
  assert.equal((await put({ hostname: 'a.b' }, 93)).status, 400)
  assert.equal((await put({ pinned_availability_zone: 'nova' })).body.server.pinned_availability_zone, 'nova')
  assert.equal((await put({ pinned_availability_zone: null })).body.server.pinned_availability_zone, null)
  assert.equal((await put({ pinned_availability_zone: 'moon' })).status, 409)
})

test('nothing hangs on a server yet', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer(running)
  for (const [path, expected] of [
    ['ips', { addresses: {} }],
    ['os-interface', { interfaceAttachments: [] }],
    ['os-security-groups', { security_groups: [] }],
    ['os-volume_attachments', { volumeAttachments: [] }],
  ] as const)
    assert.deepEqual((await bed.call(`GET /servers/${server.id}/${path}`, { as: 'member' })).body, expected)
  assert.equal((await bed.call(`GET /servers/${server.id}/ips/private`)).status, 404)
})
