import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeBed, home, type ComputeBed } from '../support/compute-bed.ts'
import { beginAction } from '../../src/store/actions.ts'
import { insertFault } from '../../src/store/server-faults.ts'
import { hostsInMaintenance } from '../../src/store/drains.ts'

type Method = 'GET' | 'POST' | 'DELETE'

async function drain(bed: ComputeBed, method: Method, host: string, token = 'admin') {
  const answer = await bed.app.inject({
    method,
    url: `/lodge/v1/hosts/${host}/drain`,
    headers: { 'x-auth-token': token },
  })
  return { status: answer.statusCode, body: answer.body === '' ? undefined : JSON.parse(answer.body) }
}

test('a drain is begun, looked at and ended, and says of each server what becomes of it', async () => {
  await using bed = await computeBed()
  await bed.addHost('alpha')
  await bed.addHost('beta')
  const running = await bed.addServer({ host: 'alpha', name: 'running' })
  const off = await bed.addServer({ host: 'alpha', name: 'off', vmState: 'stopped' })
  const asleep = await bed.addServer({ host: 'alpha', name: 'asleep', vmState: 'suspended' })
  await bed.addServer({ host: 'beta', name: 'elsewhere' })
  assert.deepEqual((await drain(bed, 'GET', 'alpha')).body.drain.draining, false)

  const begun = await drain(bed, 'POST', 'alpha')
  assert.equal(begun.status, 202)
  assert.deepEqual(await hostsInMaintenance(bed.store.db), ['alpha'])
  const live = { name: 'live-migration', task: 'migrating' } as const
  await bed.store.transaction((trx) =>
    beginAction(trx, {
      serverId: running.id,
      name: live.name,
      requestId: 'req-1',
      ...home,
      params: { host: null, force: false, blockMigration: 'auto' },
      now: bed.clock.time,
      deadline: bed.clock.time + 1000,
      change: { allowed: { vm: ['active'], task: 'none' }, patch: { taskState: live.task } },
    }),
  )
  await insertFault(bed.store.db, off.id, {
    code: 400,
    message: 'No valid host was found.',
    details: '',
    createdAt: bed.clock.time,
  })
  const { status, body } = await drain(bed, 'GET', 'alpha')
  assert.equal(status, 200)
  const said = { id: running.id, name: 'running', vm_state: 'active', fault: null }
  assert.deepEqual(
    { ...body.drain, servers: body.drain.servers.toSorted(byName) },
    {
      host: 'alpha',
      draining: true,
      empty: false,
      servers: [
        { id: asleep.id, name: 'asleep', vm_state: 'suspended', action: null, way: null, fault: null },
        {
          id: off.id,
          name: 'off',
          vm_state: 'stopped',
          action: null,
          way: 'migrate',
          fault: 'No valid host was found.',
        },
        { ...said, action: 'live-migration', way: 'live-migration' },
      ],
    },
  )

  assert.equal((await drain(bed, 'DELETE', 'alpha')).status, 204)
  assert.deepEqual(await hostsInMaintenance(bed.store.db), [])
})

test('of an empty host a drain says so; of one that there is not, 404', async () => {
  await using bed = await computeBed()
  await bed.addHost('alpha')
  const { drain: shown } = (await drain(bed, 'POST', 'alpha')).body
  assert.deepEqual(shown, { host: 'alpha', draining: true, empty: true, servers: [] })
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    const answer = await drain(bed, method, 'nowhere')
    assert.equal(answer.status, 404)
    assert.match(answer.body.error.message, /no host nowhere/)
  }
})

test('a drain is for administrators', async () => {
  await using bed = await computeBed()
  await bed.addHost('alpha')
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    assert.equal((await drain(bed, method, 'alpha', 'member')).status, 403)
    assert.equal((await drain(bed, method, 'alpha', 'nobody')).status, 401)
  }
  assert.deepEqual(await hostsInMaintenance(bed.store.db), [])
})

const byName = (one: { name: string }, other: { name: string }): number => one.name.localeCompare(other.name)
