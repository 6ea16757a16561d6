import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowedServerCount } from '../../src/api/compute/quotas/check-server-quota.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { abroad, computeBed, home, type ComputeBed } from '../support/compute-bed.ts'

const path = `/os-quota-sets/${home.projectId}`

test('limits come from the user, the project, the class and the settings, in this order', async () => {
  await using bed = await computeBed()
  const cores = async (query = '') => (await bed.call(`GET ${path}${query}`)).body.quota_set.cores
  assert.equal(await cores(), 20)
  await bed.call('PUT /os-quota-class-sets/default', { body: { quota_class_set: { cores: 30 } } })
  assert.equal(await cores(), 30)
  assert.equal((await bed.call(`GET ${path}/defaults`)).body.quota_set.cores, 30)
  const set = await bed.call(`PUT ${path}`, { body: { quota_set: { cores: '40', ram: -1 } } })
  assert.equal(set.body.quota_set.cores, 40)
  assert.equal(set.body.quota_set.ram, -1)
  assert.equal(set.body.quota_set.id, undefined)
  await bed.call(`PUT ${path}?user_id=${home.userId}`, { body: { quota_set: { cores: 5 } } })
  assert.equal(await cores(), 40)
  assert.equal(await cores(`?user_id=${home.userId}`), 5)
  assert.equal(await cores('?user_id=another'), 40)
  assert.equal((await bed.call(`DELETE ${path}?user_id=${home.userId}`)).status, 202)
  assert.equal(await cores(`?user_id=${home.userId}`), 40)
  assert.equal((await bed.call(`DELETE ${path}`)).status, 202)
  assert.equal(await cores(), 30)
})

test('usage counts servers that are neither deleted nor of others', async () => {
  await using bed = await computeBed()
  await bed.addServer()
  await bed.addServer({ userId: 'another' })
  await bed.addServer({ deletedAt: bed.clock.time })
  await bed.addServer({ vmState: 'soft-delete' })
  await bed.addServer(abroad)
  const detail = (await bed.call(`GET ${path}/detail`)).body.quota_set
  assert.deepEqual(detail.instances, { limit: 10, in_use: 2, reserved: 0 })
  assert.deepEqual(detail.cores, { limit: 20, in_use: 4, reserved: 0 })
  assert.deepEqual(detail.ram, { limit: 51_200, in_use: 1024, reserved: 0 })
  const ofUser = (await bed.call(`GET ${path}/detail?user_id=another`)).body.quota_set
  assert.equal(ofUser.instances.in_use, 1)
  const { absolute } = (await bed.call('GET /limits', { as: 'member' })).body.limits
  assert.equal(absolute.totalInstancesUsed, 2)
  assert.equal(absolute.maxTotalCores, 20)
})

test('a project reads its own quotas only, an administrator all of them', async () => {
  await using bed = await computeBed()
  assert.equal((await bed.call(`GET ${path}`, { as: 'member' })).status, 200)
  assert.equal((await bed.call(`GET ${path}`, { as: 'foreigner' })).status, 403)
  assert.equal((await bed.call(`GET ${path}/detail`, { as: 'foreigner' })).status, 403)
  assert.equal((await bed.call(`PUT ${path}`, { as: 'member', body: { quota_set: {} } })).status, 403)
  assert.equal((await bed.call('GET /os-quota-sets/nobody')).status, 400)
  const other = `GET /limits?tenant_id=${abroad.projectId}`
  assert.equal((await bed.call(other, { as: 'member' })).status, 403)
  assert.equal((await bed.call(other)).status, 200)
  assert.equal((await bed.call('GET /limits?reserved=1', { version: 74 })).status, 200)
  assert.equal((await bed.call('GET /limits?reserved=1', { version: 75 })).status, 400)
})

test('limits below what is in use need force, and users share what the project has', async () => {
  await using bed = await computeBed()
  for (let number = 0; number < 3; number += 1) await bed.addServer()
  const put = (quota_set: Record<string, unknown>, query = '') =>
    bed.call(`PUT ${path}${query}`, { body: { quota_set } })
  const refused = await put({ instances: 2 })
  assert.equal(
    refused.body.badRequest.message,
    'Quota limit 2 for instances must be greater than or equal to already used and reserved 3.',
  )
  assert.equal((await put({ instances: 3 })).status, 200)
  assert.equal((await put({ instances: 2, force: 'True' })).status, 200)
  assert.equal((await put({ instances: -1 })).status, 200)
  assert.equal((await put({ instances: 10 })).status, 200)

  assert.equal((await put({ instances: 11 }, '?user_id=one')).status, 400)
  assert.equal((await put({ instances: -1 }, '?user_id=one')).status, 400)
  assert.equal((await put({ instances: 6 }, '?user_id=one')).status, 200)
  assert.equal((await put({ instances: 5 }, '?user_id=two')).status, 400)
  assert.equal((await put({ instances: 4 }, '?user_id=two')).status, 200)
  assert.equal((await put({ instances: 5 }, '?user_id=one')).status, 200)
  assert.equal((await put({ instances: 8 })).status, 400)
  for (const bad of [{ instances: -2 }, { instances: 'x' }, { unknown: 1 }, { fixed_ips: 1 }])
    assert.equal((await put(bad)).status, 400, JSON.stringify(bad))
})

test('a create takes what the quota leaves, from its least to its most', async () => {
  await using bed = await computeBed()
  const ask = (minCount: number, maxCount: number) => allowed(bed, minCount, maxCount)
  assert.equal(await ask(1, 1), 1)
  // Ten servers, twenty cores of two each.
  assert.equal(await ask(1, 25), 10)
  await bed.addServer()
  assert.equal(await ask(1, 25), 9)
  await assert.rejects(ask(10, 25), {
    kind: 'forbidden',
    message:
      'Quota exceeded for cores, instances: Requested 20, 10, but already used 2, 1 of 20, 10 cores, instances',
  })
  await bed.call(`PUT ${path}?user_id=${home.userId}`, { body: { quota_set: { ram: 1024 } } })
  assert.equal(await ask(1, 25), 1)
  await assert.rejects(
    ask(2, 2),
    (error) =>
      error instanceof LodgeError &&
      /^Quota exceeded for ram: Requested 1024, but already used 512 of 1024 ram$/.test(error.message),
  )
  await bed.call(`PUT ${path}`, { body: { quota_set: { instances: -1, cores: -1, ram: -1 } } })
  await bed.call(`DELETE ${path}?user_id=${home.userId}`)
  assert.equal(await ask(1, 5000), 5000)
  await bed.call(`PUT ${path}`, { body: { quota_set: { instances: 0, force: true } } })
  await assert.rejects(ask(1, 1), { kind: 'forbidden' })
})

function allowed({ store, services }: ComputeBed, minCount: number, maxCount: number): Promise<number> {
  return allowedServerCount(store.db, services.config, {
    ...home,
    minCount,
    maxCount,
    vcpus: 2,
    memoryMiB: 512,
  })
}
