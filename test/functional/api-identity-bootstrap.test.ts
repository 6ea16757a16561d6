import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bootstrap } from '../../src/daemon/bootstrap.ts'
import { controllerBed, readClouds } from '../support/controller-bed.ts'

test('the first start makes an administrator, and a clouds file that only its owner reads', async () => {
  await using bed = await controllerBed()
  assert.match(bed.password, /^\w{24}$/)
  const file = join(bed.directory, 'clouds.yaml')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const text = await readClouds(bed)
  for (const line of [
    'auth_url: "http://127.0.0.1:8774/identity/v3"',
    'username: "admin"',
    `password: "${bed.password}"`,
    'project_name: "admin"',
    'user_domain_name: "Default"',
    'project_domain_name: "Default"',
    'region_name: "RegionOne"',
    'identity_api_version: 3',
  ])
    assert.ok(text.includes(line), line)
  assert.equal((await bed.login('admin', bed.password, 'admin')).status, 201)
})

test('a later start changes nothing but the URL in the clouds file', async () => {
  await using bed = await controllerBed()
  const options = { store: bed.store, cloudsFile: join(bed.directory, 'clouds.yaml'), region: 'RegionOne' }
  const first = `${await readClouds(bed)}# a note of mine\n`
  await writeFile(options.cloudsFile, first)

  assert.deepEqual(await bootstrap({ ...options, identityUrl: 'http://127.0.0.1:8774/identity' }), {
    created: false,
  })
  assert.equal(await readClouds(bed), first)

  await bootstrap({ ...options, identityUrl: 'https://cloud.example/identity/' })
  assert.equal(
    await readClouds(bed),
    first.replace('http://127.0.0.1:8774/identity/v3', 'https://cloud.example/identity/v3'),
  )
  assert.equal((await stat(options.cloudsFile)).mode & 0o777, 0o600)
  assert.equal((await bed.login('admin', bed.password, 'admin')).status, 201, 'the password stays')
  const users = await bed.store.db.selectFrom('users').select('id').execute()
  assert.equal(users.length, 1)
})

test('a clouds file that was removed is not made again: nobody knows the password', async () => {
  await using bed = await controllerBed()
  const cloudsFile = join(bed.directory, 'nowhere.yaml')
  const again = await bootstrap({
    store: bed.store,
    cloudsFile,
    identityUrl: 'http://x/identity',
    region: 'RegionOne',
  })
  assert.deepEqual(again, { created: false })
  await assert.rejects(stat(cloudsFile), { code: 'ENOENT' })
})
