import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setLimits } from '../../src/store/quotas.ts'
import { getServer, updateServer } from '../../src/store/servers.ts'
import { serverBed } from '../support/server-bed.ts'

test('a resize may change how the disk is divided, and else leaves that alone', async () => {
  await using bed = await serverBed()
  const flavor = {
    id: 'bigger',
    name: 'bigger',
    vcpus: 2,
    ram: 4096,
    disk: 3,
    'OS-FLV-EXT-DATA:ephemeral': 1,
  }
  assert.equal((await bed.call('POST /flavors', { body: { flavor } })).status, 200)
  for (const [asked, kept] of [
    [{ 'OS-DCF:diskConfig': 'AUTO' }, 'AUTO'],
    [{ 'OS-DCF:diskConfig': 'MANUAL' }, 'MANUAL'],
    [{}, 'MANUAL'],
  ] as const) {
    const server = await bed.addServer({ vmState: 'active', host: 'alpha', powerState: 1 })
    const body = { resize: { flavorRef: 'bigger', ...asked } }
    const answer = await bed.call(`POST /servers/${server.id}/action`, { body })
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    assert.equal((await getServer(bed.store.db, server.id))!.diskConfig, kept)
  }
})

test('a resize counts against the quota from the request on, and no longer once it failed', async () => {
  await using bed = await serverBed()
  const ephemeral = { 'OS-FLV-EXT-DATA:ephemeral': 1 }
  const flavor = { id: 'bigger', name: 'bigger', vcpus: 8, ram: 4096, disk: 100, ...ephemeral }
  assert.equal((await bed.call('POST /flavors', { body: { flavor } })).status, 200)
  const first = await bed.addServer({ vmState: 'active', host: 'alpha', powerState: 1 })
  const second = await bed.addServer({ vmState: 'active', host: 'alpha', powerState: 1 })
  const cores = first.flavor.vcpus + flavor.vcpus
  await bed.store.transaction((trx) => setLimits(trx, first.projectId, undefined, { cores }))
  const resize = async (id: string) =>
    (await bed.call(`POST /servers/${id}/action`, { body: { resize: { flavorRef: 'bigger' } } })).status
  assert.equal(await resize(first.id), 202)
  assert.equal(await resize(second.id), 403)
  await updateServer(bed.store.db, first.id, { taskState: null }, 9)
  assert.equal(await resize(second.id), 202)
})
