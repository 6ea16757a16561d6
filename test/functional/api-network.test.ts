import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controllerBed } from '../support/controller-bed.ts'

test('the network service truly has nothing', async () => {
  await using bed = await controllerBed()
  const v2 = '/network/v2.0'
  for (const [path, key] of [
    ['networks', 'networks'],
    ['networks?name=private', 'networks'],
    ['subnets', 'subnets'],
    ['ports?device_id=x', 'ports'],
    ['routers', 'routers'],
    ['floatingips', 'floatingips'],
    ['security-groups?tenant_id=x&name=default', 'security_groups'],
    ['extensions', 'extensions'],
  ] as const) {
    const answer = await bed.call(`GET ${v2}/${path}`)
    assert.equal(answer.status, 200, path)
    assert.deepEqual(answer.body, { [key]: [] }, path)
  }
  const missing = await bed.call(`GET ${v2}/networks/private`)
  assert.equal(missing.status, 404)
  assert.match(missing.body.NeutronError.message, /private/)
  assert.equal((await bed.call(`GET ${v2}/quotas/x`)).body.quota.network, 0)
  assert.equal((await bed.call(`POST ${v2}/networks`, { body: { network: { name: 'x' } } })).status, 404)
  assert.equal((await bed.call(`GET ${v2}/networks`, { token: null })).status, 401)
})
