import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getServer } from '../../src/store/servers.ts'
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
