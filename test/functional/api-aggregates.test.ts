import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ApiServices } from '../../src/api/common/route.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { computeBed, type Call, type ComputeBed } from '../support/compute-bed.ts'
import { until } from '../support/until.ts'

async function make(bed: ComputeBed, name: string, zone?: string): Promise<number> {
  const answer = await bed.call('POST /os-aggregates', {
    body: { aggregate: { name, ...(zone !== undefined && { availability_zone: zone }) } },
  })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body.aggregate.id
}

const act = (bed: ComputeBed, id: number, body: object) =>
  bed.call(`POST /os-aggregates/${id}/action`, { body })

const zonesOf = async (bed: ComputeBed): Promise<Record<string, string>> => {
  const { body } = await bed.call('GET /os-services?binary=nova-compute')
  return Object.fromEntries(
    body.services.map((service: { host: string; zone: string }) => [service.host, service.zone]),
  )
}

describe('aggregates', () => {
  it('are made, changed, shown and deleted', async () => {
    await using bed = await computeBed()
    await bed.addHost('h1')
    const id = await make(bed, 'racks', 'north')
    assert.equal(
      (await bed.call('POST /os-aggregates', { body: { aggregate: { name: 'racks' } } })).status,
      409,
    )
    const added = await act(bed, id, { add_host: { host: 'h1' } })
    assert.deepEqual(added.body.aggregate.hosts, ['h1'])
    assert.equal((await act(bed, id, { add_host: { host: 'h1' } })).status, 409)
    assert.equal((await act(bed, id, { add_host: { host: 'none' } })).status, 404)
    const set = await act(bed, id, { set_metadata: { metadata: { ssd: 'true', gone: 'x' } } })
    assert.equal(set.body.aggregate.metadata.ssd, 'true')
    const unset = await act(bed, id, { set_metadata: { metadata: { gone: null } } })
    assert.deepEqual(unset.body.aggregate.metadata, { availability_zone: 'north', ssd: 'true' })
    const renamed = await bed.call(`PUT /os-aggregates/${id}`, { body: { aggregate: { name: 'shelves' } } })
    assert.equal(renamed.body.aggregate.name, 'shelves')
    assert.equal((await bed.call(`DELETE /os-aggregates/${id}`)).status, 400, 'it has a host')
    assert.deepEqual((await act(bed, id, { remove_host: { host: 'h1' } })).body.aggregate.hosts, [])
    assert.equal((await act(bed, id, { remove_host: { host: 'h1' } })).status, 404)
    assert.equal((await bed.call(`DELETE /os-aggregates/${id}`)).status, 200)
    assert.equal((await bed.call(`GET /os-aggregates/${id}`)).status, 404)
    assert.equal((await bed.call('GET /os-aggregates/racks')).status, 400)
    assert.equal((await bed.call('GET /os-aggregates', { as: 'member' })).status, 403)
  })

  it('give their hosts a zone, which servers and services show', async () => {
    await using bed = await computeBed()
    await bed.addHost('h1')
    await bed.addHost('h2')
    const server = await bed.addServer({ host: 'h2' })
    const id = await make(bed, 'north', 'north')
    await act(bed, id, { add_host: { host: 'h1' } })
    assert.deepEqual(await zonesOf(bed), { h1: 'north', h2: 'nova' })
    const list = await bed.call('GET /os-availability-zone', { as: 'member' })
    assert.deepEqual(
      list.body.availabilityZoneInfo.map((zone: { zoneName: string }) => zone.zoneName),
      ['north', 'nova'],
    )
    assert.equal(
      (await act(bed, id, { add_host: { host: 'h2' } })).status,
      409,
      'its server would change zone',
    )
    await bed.addServer({ host: 'h1' })
    const shown = await bed.call(`GET /servers/${server.id}`)
    assert.equal(shown.body.server['OS-EXT-AZ:availability_zone'], 'nova')
    assert.equal((await act(bed, id, { remove_host: { host: 'h1' } })).status, 409)
    const other = { aggregate: { availability_zone: 'south' } }
    assert.equal((await bed.call(`PUT /os-aggregates/${id}`, { body: other })).status, 400, 'it has servers')
    assert.equal(
      (await act(bed, id, { set_metadata: { metadata: { availability_zone: 'south' } } })).status,
      400,
    )
    assert.equal(
      (await act(bed, id, { set_metadata: { metadata: { availability_zone: null } } })).status,
      400,
    )
  })

  it('never put a host into two zones', async () => {
    await using bed = await computeBed()
    await bed.addHost('h1')
    const north = await make(bed, 'north', 'north')
    const south = await make(bed, 'south', 'south')
    const plain = await make(bed, 'plain')
    await act(bed, north, { add_host: { host: 'h1' } })
    assert.equal((await act(bed, south, { add_host: { host: 'h1' } })).status, 409)
    assert.equal((await act(bed, plain, { add_host: { host: 'h1' } })).status, 200)
    const zone = { set_metadata: { metadata: { availability_zone: 'south' } } }
    assert.equal((await act(bed, plain, zone)).status, 400)
    assert.equal(
      (await act(bed, plain, { set_metadata: { metadata: { availability_zone: 'north' } } })).status,
      200,
    )
    assert.deepEqual(await zonesOf(bed), { h1: 'north' })
  })

  it('lose a host that is forgotten', async () => {
    await using bed = await computeBed()
    await bed.addHost('h1')
    const id = await make(bed, 'racks')
    await act(bed, id, { add_host: { host: 'h1' } })
    const { body } = await bed.call('GET /os-services?binary=nova-compute')
    assert.equal((await bed.call(`DELETE /os-services/${body.services[0].id}`)).status, 204)
    assert.deepEqual((await bed.call(`GET /os-aggregates/${id}`)).body.aggregate.hosts, [])
  })

  it('have images fetched ahead by their hosts that are up and enabled', async () => {
    await using bed = await computeBed()
    const asked: string[] = []
    bed.services.ask = (async ({ host, name, params }: { host: string; name: string; params: object }) => {
      asked.push(`${host} ${name} ${(params as { image: { id: string } }).image.id}`)
      if (host === 'h1') throw new LodgeError('badRequest', 'not the bytes of this image')
      return { state: asked.filter((line) => line.startsWith(host)).length > 1 ? 'cached' : 'under-way' }
    }) as unknown as ApiServices['ask']
    for (const host of ['h1', 'h2', 'disabled', 'down', 'elsewhere']) await bed.addHost(host)
    const { services } = (await bed.call('GET /os-services?binary=nova-compute')).body
    const change = (host: string, body: object) =>
      bed.call(`PUT /os-services/${services.find((one: { host: string }) => one.host === host).id}`, { body })
    assert.equal((await change('disabled', { status: 'disabled' })).status, 200)
    assert.equal((await change('down', { forced_down: true })).status, 200)
    const id = await make(bed, 'racks')
    for (const host of ['h1', 'h2', 'disabled', 'down']) await act(bed, id, { add_host: { host } })
    const images = await Promise.all(
      [1, 2].map(() => bed.addImage({ sizeBytes: 1, sha512: 'a'.repeat(128) })),
    )
    const cache = (...ids: string[]) =>
      bed.call(`POST /os-aggregates/${id}/images`, { body: { cache: ids.map((one) => ({ id: one })) } })

    const [one, two] = images.map((image) => image.id) as [string, string]
    const { status, body } = await cache(one, two)
    assert.deepEqual([status, body], [202, undefined])
    await until('all to be asked', 5000, () => asked.length >= 5)
    assert.deepEqual(
      asked.toSorted(),
      [
        `h1 cacheImage ${one}`,
        `h1 cacheImage ${two}`,
        `h2 cacheImage ${one}`,
        `h2 cacheImage ${one}`,
        `h2 cacheImage ${two}`,
      ].toSorted(),
    )
  })

  it('refuse images that no server could be made from', async () => {
    await using bed = await computeBed()
    const id = await make(bed, 'racks')
    const { id: image } = await bed.addImage({ sizeBytes: 1, sha512: 'a'.repeat(128) })
    const { id: queued } = await bed.addImage({ status: 'queued', sizeBytes: null, sha512: null })
    const cache = async (ids: string[], more: Call = {}, aggregate = id) =>
      (
        await bed.call(`POST /os-aggregates/${aggregate}/images`, {
          body: { cache: ids.map((one) => ({ id: one })) },
          ...more,
        })
      ).status
    assert.equal(await cache([image]), 202)
    assert.equal(await cache([image, image]), 400)
    assert.equal(await cache([image, image.replaceAll('-', '')]), 400)
    assert.equal(await cache(['00000000-0000-4000-8000-000000000000']), 400)
    assert.equal(await cache([queued]), 400)
    assert.equal(await cache(['nonsense']), 400)
    assert.equal(await cache([]), 400)
    assert.equal(await cache([image], {}, 99), 404)
    assert.equal(await cache([image], { version: 80 }), 404)
    assert.equal(await cache([image], { as: 'member' }), 403)
  })
})
