import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abroad, computeBed, home, type ComputeBed } from '../support/compute-bed.ts'

const small = { name: 'small', id: 's', ram: 64, vcpus: 1, disk: 1 }

async function create(bed: ComputeBed, flavor: Record<string, unknown>): Promise<void> {
  const answer = await bed.call('POST /flavors', { body: { flavor: { ...small, ...flavor } } })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
}

const namesOf = (answer: { body: { flavors: { name: string }[] } }) =>
  answer.body.flavors.map(({ name }) => name)

test('a flavor is made, shown, described and deleted', async () => {
  await using bed = await computeBed()
  const made = await bed.call('POST /flavors', {
    version: 54,
    body: {
      flavor: { name: 'odd', ram: '128', vcpus: '2', disk: 0, swap: '16', rxtx_factor: '1.5', id: null },
    },
  })
  assert.equal(made.status, 200)
  const { id } = made.body.flavor
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.deepEqual(made.body.flavor, {
    id,
    name: 'odd',
    ram: 128,
    vcpus: 2,
    disk: 0,
    swap: 16,
    rxtx_factor: 1.5,
    'OS-FLV-EXT-DATA:ephemeral': 0,
    'OS-FLV-DISABLED:disabled': false,
    'os-flavor-access:is_public': true,
    links: made.body.flavor.links,
  })
  assert.match(made.body.flavor.links[0].href, new RegExp(`/compute/v2.1/flavors/${id}$`))

  assert.equal((await bed.call(`PUT /flavors/${id}`, { version: 54, body: {} })).status, 404)
  const changed = await bed.call(`PUT /flavors/${id}`, { body: { flavor: { description: 'for tests' } } })
  assert.equal(changed.body.flavor.description, 'for tests')
  const shown = await bed.call(`GET /flavors/${id}`, { as: 'member' })
  assert.equal(shown.body.flavor.description, 'for tests')
  assert.deepEqual(shown.body.flavor.extra_specs, {})
  assert.equal((await bed.call(`DELETE /flavors/${id}`, { as: 'member' })).status, 403)
  assert.equal((await bed.call(`DELETE /flavors/${id}`)).status, 202)
  const gone = await bed.call(`DELETE /flavors/${id}`)
  assert.deepEqual(gone.body, { itemNotFound: { code: 404, message: `Flavor ${id} could not be found.` } })
})

test('swap is an empty text for none until 2.75', async () => {
  await using bed = await computeBed()
  await create(bed, {})
  assert.equal((await bed.call('GET /flavors/s', { version: 74 })).body.flavor.swap, '')
  assert.equal((await bed.call('GET /flavors/s', { version: 75 })).body.flavor.swap, 0)
})

test('ids and names are unique', async () => {
  await using bed = await computeBed()
  await create(bed, {})
  const sameId = await bed.call('POST /flavors', { body: { flavor: { ...small, name: 'other' } } })
  assert.equal(sameId.status, 409)
  assert.equal(sameId.body.conflictingRequest.message, 'Flavor with ID s already exists.')
  const sameName = await bed.call('POST /flavors', { body: { flavor: { ...small, id: 'other' } } })
  assert.equal(sameName.status, 409)
})

test('bad flavors are refused', async () => {
  await using bed = await computeBed()
  for (const bad of [
    { name: '' },
    { name: ' padded ' },
    { name: 'tab\tin it' },
    { name: 'x'.repeat(256) },
    { ram: 0 },
    { ram: '0' },
    { ram: 2 ** 31 },
    { ram: 1.5 },
    { vcpus: -1 },
    { disk: null },
    { id: 'slash/ed' },
    { 'os-flavor-access:is_public': 'perhaps' },
    { unknown: 1 },
    { rxtx_factor: '0' },
    { description: 'bell \u0007' },
  ]) {
    const answer = await bed.call('POST /flavors', { version: 101, body: { flavor: { ...small, ...bad } } })
    assert.equal(answer.status, 400, JSON.stringify(bad))
    assert.equal(answer.body.badRequest.code, 400)
  }
  assert.equal((await bed.call('POST /flavors', { as: 'member', body: { flavor: small } })).status, 403)
})

test('lists filter, sort and page', async () => {
  await using bed = await computeBed()
  await create(bed, { id: 'a', name: 'large', ram: 512, disk: 9 })
  await create(bed, { id: 'b', name: 'middle', ram: 256, description: 'one' })
  await create(bed, { id: 'c', name: 'tiny_1', ram: 32 })
  await create(bed, { id: 'd', name: 'tiny%1', ram: 32, description: 'two' })
  const names = async (query: string, version?: number) =>
    namesOf(await bed.call(`GET /flavors?${query}`, { version }))
  assert.deepEqual(await names(''), ['large', 'middle', 'tiny_1', 'tiny%1'])
  assert.deepEqual(await names('minRam=256'), ['large', 'middle'])
  assert.deepEqual(await names('minDisk=2'), ['large'])
  assert.deepEqual(await names('name=tiny_'), ['tiny_1'])
  assert.deepEqual(await names('name=tiny_', 101).catch(() => 'refused'), 'refused')
  assert.deepEqual(await names('name=tiny_', 74), ['large', 'middle', 'tiny_1', 'tiny%1'])
  assert.deepEqual(await names('sort_key=memory_mb&sort_dir=desc'), ['large', 'middle', 'tiny%1', 'tiny_1'])
  assert.deepEqual(await names('sort_key=updated_at&sort_dir=desc&limit=2'), ['tiny%1', 'tiny_1'])
  assert.deepEqual(await names('limit=0'), [])
  for (const bad of ['minRam=x', 'limit=-1', 'sort_key=secret', 'marker=nowhere', 'is_public=x', 'odd=1'])
    assert.equal((await bed.call(`GET /flavors?${bad}`)).status, 400, bad)

  for (const order of ['sort_key=memory_mb&sort_dir=desc', 'sort_key=description', 'sort_key=created_at']) {
    const whole = await names(order)
    const paged: string[] = []
    let next: string | undefined = `/flavors?limit=1&${order}`
    while (next !== undefined && paged.length < 9) {
      const page = await bed.call(`GET ${next}`)
      paged.push(...namesOf(page))
      next = page.body.flavors_links?.[0].href.split('/v2.1')[1]
    }
    assert.deepEqual(paged, whole, order)
  }
})

test('private flavors are seen by projects with access only', async () => {
  await using bed = await computeBed()
  await create(bed, { id: 'p', name: 'private', 'os-flavor-access:is_public': false })
  await create(bed, { id: 'q', name: 'public' })
  const action = (id: string, body: unknown, version?: number) =>
    bed.call(`POST /flavors/${id}/action`, { body, version })
  const seenBy = async (as: 'member' | 'foreigner') => (await bed.call('GET /flavors/p', { as })).status
  assert.equal(await seenBy('member'), 404)
  assert.deepEqual(namesOf(await bed.call('GET /flavors?is_public=None', { as: 'member' })), ['public'])
  assert.deepEqual(namesOf(await bed.call('GET /flavors?is_public=None')), ['private', 'public'])
  assert.deepEqual(namesOf(await bed.call('GET /flavors?is_public=False')), ['private'])
  assert.deepEqual(namesOf(await bed.call('GET /flavors')), ['public'])

  const add = { addTenantAccess: { tenant: abroad.projectId } }
  const added = await action('p', add)
  assert.deepEqual(added.body, { flavor_access: [{ flavor_id: 'p', tenant_id: abroad.projectId }] })
  assert.equal((await action('p', add)).status, 409)
  assert.equal(await seenBy('foreigner'), 200)
  assert.equal(await seenBy('member'), 404)
  assert.deepEqual(namesOf(await bed.call('GET /flavors', { as: 'foreigner' })), ['private', 'public'])
  assert.equal((await bed.call('GET /flavors/p/os-extra_specs', { as: 'member' })).status, 404)

  assert.equal((await bed.call('GET /flavors/q/os-flavor-access')).status, 404)
  assert.equal((await action('q', add, 6)).status, 200)
  assert.equal((await action('q', add, 7)).status, 409)
  assert.equal((await action('p', { addTenantAccess: { tenant: 'nobody' } })).status, 400)
  const remove = { removeTenantAccess: { tenant: home.projectId } }
  assert.equal((await action('p', remove)).status, 404)
  const removed = await action('p', { removeTenantAccess: { tenant: abroad.projectId } })
  assert.deepEqual(removed.body, { flavor_access: [] })
  assert.equal(await seenBy('foreigner'), 404)
  assert.equal((await bed.call('DELETE /flavors/p')).status, 202)
})

test('extra specs are added, set, shown and removed', async () => {
  await using bed = await computeBed()
  await create(bed, {})
  const path = '/flavors/s/os-extra_specs'
  const added = await bed.call(`POST ${path}`, {
    body: { extra_specs: { 'hw:cpu_cores': 2, 'my key': 'v' } },
  })
  assert.equal(added.status, 200)
  assert.deepEqual((await bed.call(`GET ${path}`, { as: 'member' })).body, {
    extra_specs: { 'hw:cpu_cores': '2', 'my key': 'v' },
  })
  assert.deepEqual((await bed.call(`GET ${path}/hw:cpu_cores`)).body, { 'hw:cpu_cores': '2' })
  assert.equal((await bed.call(`PUT ${path}/a`, { body: { a: 'b' } })).status, 200)
  assert.equal((await bed.call(`PUT ${path}/a`, { body: { other: 'b' } })).status, 400)
  assert.equal((await bed.call(`PUT ${path}/a`, { body: { a: 'b', c: 'd' } })).status, 400)
  assert.equal((await bed.call(`PUT ${path}/a`, { as: 'member', body: { a: 'b' } })).status, 403)
  assert.equal((await bed.call(`DELETE ${path}/a`)).status, 200)
  assert.equal((await bed.call(`DELETE ${path}/a`)).status, 404)
  assert.equal((await bed.call(`GET ${path}/toString`)).status, 404)
  const bad = { extra_specs: { 'hw:cpu_cores': 'x' } }
  assert.equal((await bed.call(`POST ${path}`, { body: bad })).status, 400)
  assert.equal((await bed.call(`POST ${path}`, { body: bad, version: 85 })).status, 200)
  assert.equal((await bed.call(`POST ${path}`, { body: { extra_specs: { 'no/slash': 'x' } } })).status, 400)
})
