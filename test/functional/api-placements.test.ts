import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertPlacement } from '../../src/store/placements.ts'
import { computeBed } from '../support/compute-bed.ts'

test('the reasons of a placement are for administrators, by request and by server', async () => {
  await using bed = await computeBed()
  const get = async (path: string, token = 'admin') => {
    const answer = await bed.app.inject({ url: `/lodge/v1${path}`, headers: { 'x-auth-token': token } })
    return { status: answer.statusCode, body: JSON.parse(answer.body) }
  }
  await insertPlacement(bed.store.db, {
    requestId: 'req-1',
    serverId: 'a-server',
    chosenHost: 'h1',
    reasons: {
      hosts: 2,
      passed: 1,
      rejected: [{ filter: 'memory', count: 1, hosts: ['h2'] }],
      candidates: [{ host: 'h1', weight: 1.5, parts: { ram: 1, cpu: 0.5 } }],
    },
    now: bed.clock.time,
  })
  const expected = {
    request_id: 'req-1',
    server_id: 'a-server',
    host: 'h1',
    created_at: '2026-02-03T04:05:06Z',
    hosts: 2,
    passed: 1,
    forced: false,
    rejected: [{ filter: 'memory', count: 1, hosts: ['h2'] }],
    candidates: [{ host: 'h1', weight: 1.5, weighers: { ram: 1, cpu: 0.5 } }],
  }
  assert.deepEqual(await get('/placements/req-1'), { status: 200, body: { placements: [expected] } })
  assert.deepEqual((await get('/servers/a-server/placements')).body, { placements: [expected] })
  assert.equal((await get('/placements/req-2')).status, 404)
  assert.equal((await get('/placements/req-1', 'member')).status, 403)
  assert.equal((await get('/placements/req-1', 'nobody')).status, 401)
})
