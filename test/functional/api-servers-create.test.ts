import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listActions } from '../../src/store/actions.ts'
import { insertFlavor, getFlavor } from '../../src/store/flavors.ts'
import { getServer } from '../../src/store/servers.ts'
import { abroad } from '../support/compute-bed.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

const countServers = async (bed: ServerBed): Promise<number> =>
  (await bed.store.db.selectFrom('servers').select('id').execute()).length

test('a create writes server and action together, wakes the conductor and answers 202', async () => {
  await using bed = await serverBed()
  const answer = await bed.call('POST /servers', {
    as: 'member',
    body: bed.body({
      name: 'My <Server> & Co.',
      key_name: 'my key',
      metadata: { role: 'web', 'a:b c': '<x attr="1">' },
      description: 'first',
      user_data: Buffer.from('#!/bin/sh').toString('base64'),
      tags: ['b', 'a', 'b'],
      accessIPv4: '192.0.2.7',
      security_groups: [{ name: 'default' }],
      config_drive: false,
      availability_zone: 'nova',
    }),
  })
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  const { id, adminPass, ...rest } = answer.body.server
  assert.match(adminPass, /^\w{12}$/)
  assert.deepEqual(Object.keys(rest).sort(), ['OS-DCF:diskConfig', 'links', 'security_groups'])
  assert.equal(answer.headers['location'], `http://localhost:80/compute/v2.1/servers/${id}`)
  assert.equal(bed.wakes(), 1)

  const server = await getServer(bed.store.db, id)
  assert.equal(server?.vmState, 'building')
  assert.equal(server?.taskState, 'scheduling')
  assert.equal(server?.hostname, 'my-server--co')
  assert.deepEqual(server?.key, { name: 'my key', type: 'ssh', publicKey: 'ssh-ed25519 AAAA me' })
  assert.equal(server?.image?.sha512, 'e'.repeat(128))
  const [action] = (await listActions(bed.store.db, id)) ?? []
  assert.equal(action?.name, 'create')
  assert.equal(action?.state, 'queued')
  assert.equal(action?.requestId, answer.headers['x-openstack-request-id'])
  assert.deepEqual(action?.params, { forcedHost: null, requestedHost: null })

  const shown = (await bed.call(`GET /servers/${id}`, { as: 'member' })).body.server
  assert.equal(shown.status, 'BUILD')
  assert.equal(shown.name, 'My <Server> & Co.')
  assert.deepEqual(shown.tags, ['a', 'b'])
  assert.deepEqual(shown.metadata, { role: 'web', 'a:b c': '<x attr="1">' })
  assert.equal(shown.pinned_availability_zone, 'nova')
  assert.equal(shown['OS-EXT-SRV-ATTR:user_data'], undefined)
})

test('several at once: numbered names, one reservation, and min_count is what must fit', async () => {
  await using bed = await serverBed()
  bed.services.config.quota.instances = 3
  const many = (more: object) => bed.call('POST /servers', { as: 'member', body: bed.body(more) })
  const answer = await many({ name: 'n', min_count: '2', max_count: 5, return_reservation_id: 'True' })
  assert.equal(answer.status, 202)
  assert.deepEqual(Object.keys(answer.body), ['reservation_id'])
  const { servers } = (await bed.call('GET /servers/detail?sort_key=display_name&sort_dir=asc')).body
  assert.deepEqual(
    servers.map((server: { name: string }) => server.name),
    ['n-1', 'n-2', 'n-3'],
  )
  for (const [index, server] of servers.entries()) {
    assert.equal(server['OS-EXT-SRV-ATTR:reservation_id'], answer.body.reservation_id)
    assert.equal(server['OS-EXT-SRV-ATTR:hostname'], `n-${index + 1}`)
    assert.equal(server['OS-EXT-SRV-ATTR:launch_index'], index)
  }
  const refused = await many({})
  assert.equal(refused.status, 403)
  assert.equal(
    refused.body.forbidden.message,
    'Quota exceeded for instances: Requested 1, but already used 3 of 3 instances',
  )
  assert.equal(
    (await many({ min_count: 3, max_count: 2 })).body.badRequest.message,
    'min_count must be <= max_count',
  )
  assert.equal(await countServers(bed), 3)
})

test('two creates at once do not share the last place of a quota', async () => {
  await using bed = await serverBed()
  bed.services.config.quota.instances = 1
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => bed.call('POST /servers', { as: 'member', body: bed.body() })),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 403, 403, 403, 403])
  assert.equal(await countServers(bed), 1)
})

test('old clients: no networks, the name as description, no tags', async () => {
  await using bed = await serverBed()
  const body = { server: { name: 'old', flavorRef: 'http://x/flavors/1', imageRef: bed.imageId } }
  const answer = await bed.call('POST /servers', { as: 'member', version: 1, body })
  assert.equal(answer.status, 202)
  const shown = await bed.call(`GET /servers/${answer.body.server.id}`, { version: 19 })
  assert.equal(shown.body.server.description, 'old')
  assert.deepEqual(shown.body.server.flavor.links, [
    { rel: 'bookmark', href: 'http://localhost:80/compute/flavors/1' },
  ])
})

test('the form of the boot disk that clients send is the same as imageRef', async () => {
  await using bed = await serverBed()
  const device = { uuid: bed.imageId, source_type: 'image', destination_type: 'local', boot_index: 0 }
  const create = (more: object) => bed.call('POST /servers', { body: bed.body(more) })
  assert.equal((await create({ block_device_mapping_v2: [device] })).status, 202)
  assert.equal((await create({ imageRef: '', block_device_mapping_v2: [device] })).status, 202)
})

test('what cannot be made is refused in words, and leaves nothing', async () => {
  await using bed = await serverBed()
  const queued = await bed.addBootImage({ status: 'queued' })
  const foreign = await bed.addBootImage({ owner: abroad.projectId })
  const large = await bed.addBootImage({ virtualSizeBytes: 2 ** 31 })
  const hungry = await bed.addBootImage({ minRamMiB: 1024 })
  const wide = await bed.addBootImage({ minDiskGiB: 5 })
  const driven = await bed.addBootImage({ properties: { img_config_drive: 'mandatory' } })
  const flavor = await getFlavor(bed.store.db, '1')
  await insertFlavor(bed.store.db, { ...flavor!, id: 'secret', name: 'secret', isPublic: false })
  const volume = { uuid: bed.imageId, source_type: 'image', destination_type: 'volume', boot_index: 0 }
  const refusals: [object, number, RegExp][] = [
    [{ imageRef: queued }, 400, /is not active/],
    [{ imageRef: foreign }, 400, /Can not find requested image/],
    [{ imageRef: '3f8b4b1c-0000-4000-8000-000000000000' }, 400, /Can not find requested image/],
    [{ imageRef: '' }, 400, /Invalid imageRef/],
    [{ imageRef: 'nonsense' }, 400, /imageRef/],
    [{ imageRef: large }, 400, /disk is too small/],
    [{ imageRef: hungry }, 400, /memory is too small/],
    [{ imageRef: wide }, 400, /minimum size/],
    [{ imageRef: driven }, 400, /Config drives are not supported/],
    [{ flavorRef: 'none' }, 400, /Flavor none could not be found/],
    [{ flavorRef: 'secret' }, 400, /Flavor secret could not be found/],
    [{ flavorRef: 'diskless' }, 403, /zero disk/],
    [{ key_name: 'other key' }, 400, /Invalid key_name/],
    [{ networks: [{ uuid: bed.imageId }] }, 400, /no networks yet/],
    [{ networks: 'some' }, 400, /networks/],
    [{ config_drive: true }, 400, /Config drives are not supported/],
    [{ block_device_mapping_v2: [volume] }, 400, /no volumes/],
    [{ trusted_image_certificates: ['x'] }, 400, /not supported/],
    [{ availability_zone: 'moon' }, 400, /not available/],
    [{ availability_zone: 'nova:alpha' }, 403, /servers:create:forced_host/],
    [{ host: 'alpha' }, 403, /requested_destination/],
    [{ name: '' }, 400, /name/],
    [{ name: ' a' }, 400, /name/],
    [{ name: 'a\u0000b' }, 400, /NUL/],
    [{ name: 'x'.repeat(256) }, 400, /too long/],
    [{ name: 7 }, 400, /is not of type 'string'/],
    [{ metadata: { 'bad/key': 'x' } }, 400, /metadata/],
    [{ metadata: { key: 'x'.repeat(256) } }, 400, /too long/],
    [{ metadata: { key: null } }, 400, /is not of type/],
    [
      { metadata: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`k${i}`, ''])) },
      403,
      /metadata items/,
    ],
    [{ user_data: 'not base64!' }, 400, /base64/],
    [{ tags: Array.from({ length: 51 }, (_, i) => `${i}`) }, 400, /too long/],
    [{ tags: ['a,b'] }, 400, /does not match/],
    [{ hostname: 'under_score!' }, 400, /hostname/],
    [{ min_count: 0 }, 400, /minimum of 1/],
    [{ unknown: 1 }, 400, /'unknown' was unexpected/],
    [{ personality: [] }, 400, /'personality' was unexpected/],
  ]
  for (const [more, status, message] of refusals) {
    const answer = await bed.call('POST /servers', { as: 'member', body: bed.body(more) })
    const label = JSON.stringify(more).slice(0, 80)
    assert.equal(answer.status, status, `${label}: ${JSON.stringify(answer.body)}`)
    const [fault] = Object.values(answer.body as Record<string, { message: string }>)
    assert.match(fault!.message, message, label)
  }
  assert.equal(await countServers(bed), 0)
  assert.equal(bed.wakes(), 0)
})

test('administrators may choose the host', async () => {
  await using bed = await serverBed()
  const paramsOf = async (more: object): Promise<unknown> => {
    const answer = await bed.call('POST /servers', { body: bed.body(more) })
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    return (await listActions(bed.store.db, answer.body.server.id))?.[0]?.params
  }
  assert.deepEqual(await paramsOf({ availability_zone: 'nova:alpha' }), {
    forcedHost: 'alpha',
    requestedHost: null,
  })
  assert.deepEqual(await paramsOf({ availability_zone: 'nova::alpha.example.org' }), {
    forcedHost: 'alpha',
    requestedHost: null,
  })
  assert.deepEqual(await paramsOf({ hypervisor_hostname: 'alpha.example.org' }), {
    forcedHost: null,
    requestedHost: 'alpha',
  })
  for (const more of [
    { availability_zone: 'nova:omega' },
    { host: 'omega' },
    { host: 'alpha', hypervisor_hostname: 'omega' },
    { availability_zone: 'nova:alpha', host: 'alpha' },
    { availability_zone: 'a:b:c:d' },
  ])
    assert.equal(
      (await bed.call('POST /servers', { body: bed.body(more) })).status,
      400,
      JSON.stringify(more),
    )
})

test('scheduler hints are kept, but for those that pretend to be Nova’s own (CVE-2026-46448)', async () => {
  await using bed = await serverBed()
  const hints = { 'os:scheduler_hints': { _nova_check_type: 'rebuild', same_host: [bed.imageId], mine: 'x' } }
  const { body } = await bed.call('POST /servers', { as: 'member', body: bed.body({}, hints) })
  const { server } = (await bed.call(`GET /servers/${body.server.id}`)).body
  assert.deepEqual(server.scheduler_hints, { same_host: [bed.imageId], mine: 'x' })
  const group = { 'os:scheduler_hints': { group: bed.imageId } }
  assert.equal((await bed.call('POST /servers', { body: bed.body({}, group) })).status, 400)
})
