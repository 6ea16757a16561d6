import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { controllerBed, type ControllerBed } from '../support/controller-bed.ts'

let bed: ControllerBed
let member: { userId: string; projectId: string; token: string }
let stranger: { userId: string; projectId: string; token: string }
before(async () => {
  bed = await controllerBed()
  member = await bed.newcomer('member', 'member')
  stranger = await bed.newcomer('stranger', 'member')
})
after(async () => {
  await bed[Symbol.asyncDispose]()
})

const v2 = '/image/v2'
const create = async (body: object, token = member.token) =>
  await bed.call(`POST ${v2}/images`, { token, body })
const newImage = async (body: object, token = member.token): Promise<string> => {
  const answer = await create(body, token)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}
const patch = (id: string, operations: unknown, token = member.token, type = 'v2.1') =>
  bed.call(`PATCH ${v2}/images/${id}`, {
    token,
    data: JSON.stringify(operations),
    headers: { 'content-type': `application/openstack-images-${type}-json-patch` },
  })

test('a new image is queued, and has what was asked for', async () => {
  const { status, body, headers } = await create({
    name: 'one',
    disk_format: 'raw',
    container_format: 'bare',
    min_disk: 1,
    tags: ['b', 'a', 'b'],
    'owner_specified.openstack.md5': '',
    hw_machine_type: 'q35',
  })
  assert.equal(status, 201)
  assert.ok(String(headers['location']).endsWith(`/image/v2/images/${body.id}`))
  assert.match(body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.deepEqual(
    { ...body, id: '', created_at: '', updated_at: '', self: '', file: '' },
    {
      id: '',
      name: 'one',
      status: 'queued',
      visibility: 'shared',
      protected: false,
      os_hidden: false,
      owner: member.projectId,
      tags: ['a', 'b'],
      container_format: 'bare',
      disk_format: 'raw',
      min_disk: 1,
      min_ram: 0,
      size: null,
      virtual_size: null,
      checksum: null,
      os_hash_algo: null,
      os_hash_value: null,
      created_at: '',
      updated_at: '',
      self: '',
      file: '',
      schema: '/v2/schemas/image',
      'owner_specified.openstack.md5': '',
      hw_machine_type: 'q35',
    },
  )
  assert.equal(body.self, `/v2/images/${body.id}`)
  assert.equal(body.file, `/v2/images/${body.id}/file`)
  assert.deepEqual((await bed.call(`GET ${v2}/images/${body.id}`, { token: member.token })).body, body)
})

test('an image may bring its id, once', async () => {
  const id = 'ABCDEF01-2345-4678-9abc-def012345678'
  assert.equal(await newImage({ id }), id.toLowerCase())
  assert.equal((await create({ id })).status, 409)
  for (const bad of ['x', '../../etc/passwd', 5, '{ABCDEF01-2345-4678-9abc-def012345678}'])
    assert.equal((await create({ id: bad })).status, 400, String(bad))
})

test('bad input is answered with what is wrong with it', async () => {
  for (const body of [
    [],
    'x',
    { name: 5 },
    { name: 'x'.repeat(256) },
    { visibility: 'secret' },
    { disk_format: 'floppy' },
    { container_format: 'box' },
    { min_disk: -1 },
    { min_ram: 2 ** 31 },
    { min_disk: '1' },
    { protected: 'true' },
    { tags: 'a' },
    { tags: [''] },
    { tags: ['x'.repeat(256)] },
    { a: 5 },
    { a: null },
    { a: 'x'.repeat(65_536) },
    { a: 'nul\0' },
    { ['x'.repeat(256)]: 'x' },
    { '': 'x' },
    { 'new\nline': 'x' },
  ]) {
    const answer = await bed.call(`POST ${v2}/images`, { token: member.token, body })
    assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 80))
    assert.ok(answer.body.error.message.length > 5)
  }
  for (const body of [
    { status: 'active' },
    { size: 5 },
    { checksum: 'x' },
    { locations: [] },
    { deleted: 'x' },
  ])
    assert.equal((await create(body)).status, 403, JSON.stringify(body))
  const many = Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`p${index}`, 'x']))
  assert.equal((await create(many)).status, 413)
  assert.equal((await bed.call(`POST ${v2}/images`, { token: member.token, data: '{' })).status, 400)
})

test('only administrators make an image public, or another project its owner', async () => {
  assert.equal((await create({ visibility: 'public' })).status, 403)
  assert.equal((await create({ owner: stranger.projectId })).status, 403)
  assert.equal((await create({ owner: member.projectId })).status, 201)
  const id = await newImage({ visibility: 'public', owner: stranger.projectId }, bed.adminToken)
  const shown = await bed.call(`GET ${v2}/images/${id}`, { token: stranger.token })
  assert.equal(shown.body.owner, stranger.projectId)
})

test('who sees an image, and who changes it', async () => {
  for (const [visibility, seen] of [
    ['private', false],
    ['shared', false],
    ['community', true],
    ['public', true],
  ] as const) {
    const id = await newImage({ visibility: visibility === 'public' ? 'private' : visibility })
    if (visibility === 'public')
      await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }], bed.adminToken)
    const as = async (token: string, what: string) =>
      (await bed.call(`${what} ${v2}/images/${id}`, { token })).status
    assert.equal(await as(stranger.token, 'GET'), seen ? 200 : 404, visibility)
    assert.equal(await as(stranger.token, 'DELETE'), seen ? 403 : 404, visibility)
    assert.equal((await patch(id, [], stranger.token)).status, seen ? 403 : 404, visibility)
    assert.equal(
      (await bed.call(`PUT ${v2}/images/${id}/tags/x`, { token: stranger.token })).status,
      seen ? 403 : 404,
    )
    assert.equal(await as(bed.adminToken, 'GET'), 200)
    assert.equal(await as(member.token, 'DELETE'), 204)
    assert.equal(await as(member.token, 'GET'), 404)
  }
})

test('readers look, unscoped tokens do not even look', async () => {
  const reader = await bed.newcomer('reader', 'reader')
  assert.equal((await bed.call(`GET ${v2}/images`, { token: reader.token })).status, 200)
  assert.equal((await create({}, reader.token)).status, 403)
  const unscoped = await bed.login('admin', bed.password)
  assert.equal(
    (await bed.call(`GET ${v2}/images`, { token: String(unscoped.headers['x-subject-token']) })).status,
    403,
  )
  assert.equal((await bed.call(`GET ${v2}/images`, { token: null })).status, 401)
})

test('a patch changes attributes and properties, in both media types', async () => {
  const id = await newImage({ name: 'old', a: '1', b: '2' })
  const changed = await patch(id, [
    { op: 'replace', path: '/name', value: 'new' },
    { op: 'replace', path: '/a', value: '3' },
    { op: 'remove', path: '/b' },
    { op: 'add', path: '/c~1d', value: '4' },
    { op: 'replace', path: '/tags', value: ['t'] },
    { op: 'add', path: '/os_hidden', value: true },
    { op: 'replace', path: '/min_ram', value: 64 },
    { op: 'replace', path: '/disk_format', value: 'qcow2' },
  ])
  assert.equal(changed.status, 200)
  const { body } = changed
  assert.equal(body.name, 'new')
  assert.equal(body.a, '3')
  assert.equal(body.b, undefined)
  assert.equal(body['c/d'], '4')
  assert.deepEqual(body.tags, ['t'])
  assert.equal(body.os_hidden, true)
  assert.equal(body.min_ram, 64)
  assert.equal(body.disk_format, 'qcow2')
  assert.equal(
    (await patch(id, [{ replace: '/name', value: 'older' }], member.token, 'v2.0')).body.name,
    'older',
  )
})

test('a patch is refused as a whole, and changes nothing then', async () => {
  const id = await newImage({ name: 'kept', a: '1' })
  const first = { op: 'replace', path: '/name', value: 'lost' }
  for (const [operation, status] of [
    [{ op: 'replace', path: '/missing', value: 'x' }, 409],
    [{ op: 'remove', path: '/missing' }, 409],
    [{ op: 'remove', path: '/name' }, 403],
    [{ op: 'replace', path: '/status', value: 'active' }, 403],
    [{ op: 'replace', path: '/id', value: 'x' }, 403],
    [{ op: 'add', path: '/locations', value: 'file:///etc/passwd' }, 403],
    [{ op: 'add', path: '/os_glance_x', value: 'x' }, 403],
    [{ op: 'replace', path: '/visibility', value: 'public' }, 403],
    [{ op: 'replace', path: '/owner', value: 'x' }, 403],
    [{ op: 'replace', path: '/min_disk', value: 'x' }, 400],
    [{ op: 'add', path: '/a', value: 5 }, 400],
    [{ op: 'add', path: '/__proto__', value: 'x' }, 400],
    [{ op: 'add', path: '/tags/-', value: 'x' }, 400],
  ] as const)
    assert.equal((await patch(id, [first, operation])).status, status, JSON.stringify(operation))
  assert.equal((await bed.call(`GET ${v2}/images/${id}`, { token: member.token })).body.name, 'kept')

  const send = (data: string, type: string) =>
    bed.call(`PATCH ${v2}/images/${id}`, { token: member.token, data, headers: { 'content-type': type } })
  assert.equal((await send('[]', 'application/json')).status, 415)
  const right = 'application/openstack-images-v2.1-json-patch'
  assert.equal((await send('{', right)).status, 400)
  assert.equal((await send('', right)).status, 400)
  assert.equal((await send(`["${'x'.repeat(200_000)}"]`, right)).status, 413)
})

test('a protected image stays', async () => {
  const id = await newImage({ protected: true })
  assert.equal((await bed.call(`DELETE ${v2}/images/${id}`, { token: member.token })).status, 403)
  assert.equal((await bed.call(`DELETE ${v2}/images/${id}`)).status, 403)
  await patch(id, [{ op: 'replace', path: '/protected', value: false }])
  assert.equal((await bed.call(`DELETE ${v2}/images/${id}`, { token: member.token })).status, 204)
})

test('tags come and go one by one', async () => {
  const id = await newImage({ tags: ['a'] })
  const tag = (what: string, name: string) =>
    bed.call(`${what} ${v2}/images/${id}/tags/${encodeURIComponent(name)}`, { token: member.token })
  assert.equal((await tag('PUT', 'with space/ü')).status, 204)
  assert.equal((await tag('PUT', 'a')).status, 204)
  assert.deepEqual((await bed.call(`GET ${v2}/images/${id}`)).body.tags, ['a', 'with space/ü'])
  assert.equal((await tag('DELETE', 'a')).status, 204)
  assert.equal((await tag('DELETE', 'a')).status, 404)
  assert.equal((await tag('PUT', 'x'.repeat(256))).status, 400)
})

test('what is not there is not there', async () => {
  for (const id of ['f0000000-0000-4000-8000-000000000000', 'name', '..%2f..%2fetc%2fpasswd', '%00'])
    for (const what of [`GET ${v2}/images/${id}`, `DELETE ${v2}/images/${id}`, `GET ${v2}/images/${id}/file`])
      assert.equal((await bed.call(what)).status, 404, what)
})

test('members, imports and schemas', async () => {
  const id = await newImage({ name: 'm' })
  assert.deepEqual((await bed.call(`GET ${v2}/images/${id}/members`)).body.members, [])
  assert.equal((await bed.call(`GET ${v2}/images/${id}/members`, { token: stranger.token })).status, 404)
  const imported = await bed.call(`POST ${v2}/images/${id}/import`, {
    body: { method: { name: 'web-download', uri: 'http://169.254.169.254/' } },
  })
  assert.equal(imported.status, 400)
  assert.match(imported.body.error.message, /PUT/)
  assert.deepEqual((await bed.call(`GET ${v2}/info/import`)).body['import-methods'].value, [])
  for (const name of ['image', 'images', 'member', 'members'])
    assert.equal((await bed.call(`GET ${v2}/schemas/${name}`)).body.name, name)
  const { properties } = (await bed.call(`GET ${v2}/schemas/image`)).body
  for (const key of ['id', 'name', 'disk_format', 'os_hash_value', 'virtual_size'])
    assert.ok(properties[key], key)
})
