import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abroad, computeBed } from '../support/compute-bed.ts'

const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3ZFgXqQJ5OWPS1pBIgwMDr4Y8g5dQ1N8Zk7Oe0ZL1C a@b\n'

test('a key pair is imported, shown, listed and deleted by its user', async () => {
  await using bed = await computeBed()
  const keypair = { name: 'mine', public_key: publicKey }
  const made = await bed.call('POST /os-keypairs', { as: 'member', body: { keypair } })
  assert.equal(made.status, 201)
  assert.equal(made.body.keypair.public_key, publicKey)
  assert.equal(made.body.keypair.private_key, undefined)
  assert.match(made.body.keypair.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
  const again = await bed.call('POST /os-keypairs', { as: 'member', body: { keypair } })
  assert.equal(again.body.conflictingRequest.message, "Key pair 'mine' already exists.")

  assert.equal(
    (await bed.call('GET /os-keypairs/mine', { as: 'member' })).body.keypair.created_at,
    '2026-02-03T04:05:06.000000',
  )
  assert.equal((await bed.call('GET /os-keypairs/mine', { as: 'foreigner' })).status, 404)
  assert.deepEqual((await bed.call('GET /os-keypairs', { as: 'foreigner' })).body, { keypairs: [] })
  assert.equal((await bed.call('DELETE /os-keypairs/mine', { as: 'foreigner' })).status, 404)
  assert.equal((await bed.call('DELETE /os-keypairs/mine', { as: 'member' })).status, 204)
  assert.equal((await bed.call('DELETE /os-keypairs/mine', { as: 'member', version: 1 })).status, 404)
})

test('keys are generated below 2.92 only', async () => {
  await using bed = await computeBed()
  const old = await bed.call('POST /os-keypairs', { version: 1, body: { keypair: { name: 'old' } } })
  assert.equal(old.status, 200)
  assert.match(old.body.keypair.private_key, /PRIVATE KEY/)
  assert.equal(old.body.keypair.type, undefined)
  const body = { keypair: { name: 'new' } }
  assert.equal((await bed.call('POST /os-keypairs', { version: 91, body })).status, 201)
  assert.equal((await bed.call('POST /os-keypairs', { version: 92, body })).status, 400)
  const x509 = { keypair: { name: 'cert', type: 'x509' } }
  assert.equal((await bed.call('POST /os-keypairs', { version: 91, body: x509 })).status, 400)
})

test('names may hold more from 2.92 on', async () => {
  await using bed = await computeBed()
  const named = (name: string, version: number) =>
    bed.call('POST /os-keypairs', { version, body: { keypair: { name, public_key: publicKey } } })
  assert.equal((await named('me@here.org', 91)).status, 400)
  assert.equal((await named('me@here.org', 92)).status, 201)
  for (const bad of ['', ' padded', 'a/b', 'ä', 'x'.repeat(256)])
    assert.equal((await named(bad, 92)).status, 400, bad)
  const key = { name: 'k', public_key: 'ssh-rsa JUNK me' }
  const junk = await bed.call('POST /os-keypairs', { body: { keypair: key } })
  assert.equal(junk.body.badRequest.message, 'Keypair data is invalid: failed to generate fingerprint')
})

test('administrators act for other users from 2.10 on', async () => {
  await using bed = await computeBed()
  const user_id = abroad.userId
  const keypair = { name: 'theirs', public_key: publicKey, user_id }
  assert.equal((await bed.call('POST /os-keypairs', { as: 'member', body: { keypair } })).status, 403)
  assert.equal((await bed.call('POST /os-keypairs', { body: { keypair } })).body.keypair.user_id, user_id)
  assert.equal((await bed.call('POST /os-keypairs', { version: 9, body: { keypair } })).status, 400)
  const query = `?user_id=${user_id}`
  assert.equal((await bed.call('GET /os-keypairs/theirs', { as: 'foreigner' })).status, 200)
  assert.equal((await bed.call(`GET /os-keypairs/theirs${query}`)).status, 200)
  assert.equal((await bed.call(`GET /os-keypairs/theirs${query}`, { version: 9 })).status, 404)
  assert.equal((await bed.call(`GET /os-keypairs${query}`, { as: 'member' })).status, 403)
  assert.equal((await bed.call(`GET /os-keypairs${query}`, { as: 'foreigner' })).status, 200)
  assert.equal((await bed.call(`DELETE /os-keypairs/theirs${query}`)).status, 204)
})

test('lists page by name from 2.35 on, and the quota bounds them', async () => {
  await using bed = await computeBed()
  bed.services.config.quota.keyPairs = 3
  for (const name of ['c', 'a', 'b']) {
    const keypair = { name, public_key: publicKey }
    assert.equal((await bed.call('POST /os-keypairs', { body: { keypair } })).status, 201)
  }
  const over = await bed.call('POST /os-keypairs', {
    body: { keypair: { name: 'd', public_key: publicKey } },
  })
  assert.deepEqual(over.body, { forbidden: { code: 403, message: 'Quota exceeded, too many key pairs.' } })

  const page = await bed.call('GET /os-keypairs?limit=2')
  const names = page.body.keypairs.map((entry: { keypair: { name: string } }) => entry.keypair.name)
  assert.deepEqual(names, ['a', 'b'])
  const next = page.body.keypairs_links[0].href.split('/v2.1')[1]
  const rest = await bed.call(`GET ${next}`)
  assert.equal(rest.body.keypairs[0].keypair.name, 'c')
  assert.equal(rest.body.keypairs_links, undefined)
  assert.equal((await bed.call('GET /os-keypairs?limit=2', { version: 34 })).body.keypairs.length, 3)
  assert.equal((await bed.call('GET /os-keypairs?marker=nothing')).status, 400)
})
