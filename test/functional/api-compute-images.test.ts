import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abroad, computeBed } from '../support/compute-bed.ts'

/** The last microversion at which compute has images, and image metadata. */
const version = 35

test('images are listed with Nova’s filters', async () => {
  await using bed = await computeBed()
  const server = '00000000-0000-4000-8000-000000000001'
  await bed.addImage({ name: 'old', createdAt: 1000, updatedAt: 1000 })
  await bed.addImage({
    name: 'snap',
    createdAt: 2000,
    updatedAt: 86_400_000,
    properties: { instance_uuid: server, image_type: 'snapshot' },
  })
  await bed.addImage({ name: 'coming', createdAt: 3000, updatedAt: 3000, status: 'queued', sizeBytes: null })
  await bed.addImage({ name: 'theirs', owner: abroad.projectId })
  const names = async (query: string, as: 'admin' | 'member' = 'member') =>
    (await bed.call(`GET /images?${query}`, { as, version })).body.images.map(
      ({ name }: { name: string }) => name,
    )
  assert.deepEqual(await names(''), ['coming', 'snap', 'old'])
  assert.deepEqual(await names('', 'admin'), ['theirs', 'coming', 'snap', 'old'])
  assert.deepEqual(await names('name=old'), ['old'])
  assert.deepEqual(await names('status=ACTIVE'), ['snap', 'old'])
  assert.deepEqual(await names(`server=http://host/servers/${server}`), ['snap'])
  assert.deepEqual(await names('type=snapshot'), ['snap'])
  assert.deepEqual(await names('changes-since=1970-01-02T00:00:00Z'), ['snap'])
  assert.deepEqual(await names('unknown=1'), ['coming', 'snap', 'old'])
  const page = await bed.call('GET /images/detail?limit=2', { as: 'member', version })
  assert.equal(page.body.images[0].status, 'SAVING')
  assert.deepEqual(page.body.images[0].progress, 25)
  assert.equal(page.body.images[1].server.id, server)
  const next = page.body.images_links[0].href.split('/v2.1')[1]
  assert.equal((await bed.call(`GET ${next}`, { as: 'member', version })).body.images[0].name, 'old')
  assert.equal((await bed.call('GET /images', { version: 36 })).status, 404)
  for (const bad of ['limit=0', 'limit=x', 'marker=nothing', 'changes-since=soon', 'minRam=x'])
    assert.equal((await bed.call(`GET /images?${bad}`, { version })).status, 400, bad)
})

test('an image is shown and deleted by its owner', async () => {
  await using bed = await computeBed()
  const { id } = await bed.addImage()
  const call = (method: string, as: 'member' | 'foreigner') =>
    bed.call(`${method} /images/${id}`, { as, version })
  assert.equal((await call('GET', 'foreigner')).status, 404)
  assert.match((await call('GET', 'member')).body.image.links[2].href, new RegExp(`/image/v2/images/${id}$`))
  assert.equal((await call('DELETE', 'foreigner')).status, 404)
  assert.equal((await call('DELETE', 'member')).status, 204)
  assert.equal((await call('DELETE', 'member')).status, 404)
  const kept = await bed.addImage({ protected: true })
  assert.equal((await bed.call(`DELETE /images/${kept.id}`, { version })).status, 403)
  const common = await bed.addImage({ visibility: 'public', owner: abroad.projectId })
  assert.equal((await bed.call(`DELETE /images/${common.id}`, { as: 'member', version })).status, 403)
})

test('metadata of an image is read and written by its owner', async () => {
  await using bed = await computeBed()
  const { id } = await bed.addImage({ properties: { a: '1', b: '2' } })
  const call = (what: string, path: string, body?: unknown, as: 'member' | 'foreigner' = 'member') =>
    bed.call(`${what} /images/${id}/metadata${path}`, { as, body, version: 38 })
  assert.deepEqual((await call('GET', '')).body, { metadata: { a: '1', b: '2' } })
  assert.deepEqual((await call('POST', '', { metadata: { b: '3' } })).body, { metadata: { a: '1', b: '3' } })
  assert.deepEqual((await call('PUT', '/c', { meta: { c: '4' } })).body, { meta: { c: '4' } })
  assert.equal((await call('PUT', '/c', { meta: { d: '4' } })).status, 400)
  assert.deepEqual((await call('GET', '/b')).body, { meta: { b: '3' } })
  assert.equal((await call('GET', '/toString')).status, 404)
  assert.equal((await call('DELETE', '/b')).status, 204)
  assert.equal((await call('DELETE', '/b')).status, 404)
  assert.deepEqual((await call('PUT', '', { metadata: { z: '9' } })).body, { metadata: { z: '9' } })
  assert.deepEqual((await call('GET', '')).body, { metadata: { z: '9' } })
  assert.equal((await call('POST', '', { metadata: { visibility: 'public' } })).status, 400)
  assert.equal((await call('POST', '', { metadata: { status: 'active' } })).status, 403)
  assert.equal((await call('GET', '', undefined, 'foreigner')).status, 404)
  bed.services.config.quota.metadataItems = 1
  assert.equal((await call('POST', '', { metadata: { more: '1' } })).status, 403)
  assert.equal((await bed.call(`GET /images/${id}/metadata`, { version: 39 })).status, 404)
})
