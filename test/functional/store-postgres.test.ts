import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/base/logging.ts'
import { withoutPassword } from '../../src/base/without-password.ts'
import { claimOneOf } from '../../src/store/allocations.ts'
import { upsertHost } from '../../src/store/hosts.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { saveRole } from '../../src/store/identity-roles.ts'
import { getHypervisor } from '../../src/store/host-list.ts'
import { startPrivatePostgres, type PrivatePostgres } from '../support/private-postgres.ts'
import { aHost } from '../support/store-records.ts'
import { storeRaces } from '../support/store-races.ts'
import { storeSuite } from '../support/store-suite.ts'
import { until } from '../support/until.ts'

let server: PrivatePostgres
const open = (url: string, connections = 6) => openPostgresStore({ url, connections, log: silentLogger() })

before(async () => {
  server = await startPrivatePostgres()
})
after(() => server.stop())

storeSuite('PostgreSQL', async () => open(await server.database()))
storeRaces('PostgreSQL', async () => {
  const url = await server.database()
  // Several controllers start at once, and all find the tables.
  return Promise.all([open(url), open(url), open(url), open(url)])
})

describe('a PostgreSQL that goes away', { timeout: 60_000 }, () => {
  it('makes work fail with "unavailable", and once it is back all goes on', async () => {
    const store = await open(await server.database())
    await saveRole(store.db, { id: 'kept', name: 'kept', description: null })
    const halted = Promise.withResolvers<void>()
    const inTheMiddle = store.transaction(async (trx) => {
      await saveRole(trx, { id: 'lost', name: 'lost', description: null })
      await halted.promise
      await saveRole(trx, { id: 'more', name: 'more', description: null })
    })
    const failure = assert.rejects(inTheMiddle, { name: 'LodgeError', kind: 'unavailable' })
    await server.kill9()
    halted.resolve()
    await failure
    await assert.rejects(store.db.selectFrom('roles').selectAll().execute(), { kind: 'unavailable' })
    await server.start()
    const roles = await until('the store to answer', 20_000, () =>
      store.db
        .selectFrom('roles')
        .select('id')
        .execute()
        .catch(() => undefined),
    )
    assert.deepEqual(roles, [{ id: 'kept' }])
    await store.transaction((trx) => saveRole(trx, { id: 'new', name: 'new', description: null }))
    await store.close()
  })

  it('is named in the error of a start, without its password', async () => {
    const url = `postgres://lodge:very-secret@127.0.0.1:${server.port}/nowhere`
    await assert.rejects(open(url), (error: Error) => {
      assert.match(error.message, /127\.0\.0\.1.*nowhere.*does not exist/)
      assert.doesNotMatch(error.message, /very-secret/)
      return true
    })
    assert.equal(withoutPassword('postgres://u:p@h/d?password=q'), 'postgres://u:***@h/d?password=***')
  })
})

describe('claims at the same moment', { timeout: 60_000 }, () => {
  it('take the next of their alternates where the best is just being claimed, and wait where there is no other', async () => {
    const store = await open(await server.database())
    for (const name of ['best', 'next'])
      await store.transaction((trx) => upsertHost(trx, aHost(name, { vcpus: 2, memoryMiB: 640 }), 1))
    const ask = (serverId: string) => ({ serverId, resources: { vcpus: 1, memoryMiB: 64, diskGiB: 1 } })
    const claim = (serverId: string, hosts: string[]) =>
      store.transaction((trx) => claimOneOf(trx, hosts, ask(serverId), 1))
    let waits: Promise<string | null> | undefined
    await store.transaction(async (trx) => {
      assert.equal(await claimOneOf(trx, ['best', 'next'], ask('first'), 1), 'best')
      assert.equal(await claim('second', ['best', 'next']), 'next')
      waits = claim('third', ['best'])
      assert.equal(await Promise.race([waits, sleep(100, 'waits')]), 'waits')
    })
    assert.equal(await waits, 'best')
    assert.equal(await claim('fourth', ['best', 'next']), 'next')
    assert.equal(await claim('fifth', ['best', 'next']), null)
    await store.close()
  })
})

describe('what PostgreSQL refuses', { timeout: 60_000 }, () => {
  it('is the fault of who asked: numbers beyond its columns, NUL in a text', async () => {
    const store = await open(await server.database())
    await assert.rejects(getHypervisor(store.db, { number: 1e30 }), { kind: 'badRequest' })
    await assert.rejects(saveRole(store.db, { id: 'a\0b', name: 'x', description: null }), {
      kind: 'badRequest',
    })
    await store.close()
  })

  it('deadlocks are solved and both transactions done', async () => {
    const store = await open(await server.database())
    for (const id of ['a', 'b']) await saveRole(store.db, { id, name: id, description: '' })
    const both = Promise.withResolvers<void>()
    let first = 0
    const work = (order: string[]) =>
      store.transaction(async (trx) => {
        for (const id of order) {
          const { description } = await trx
            .selectFrom('roles')
            .selectAll()
            .where('id', '=', id)
            .forUpdate()
            .executeTakeFirstOrThrow()
          await saveRole(trx, { id, name: id, description: `${description}+` })
          if ((first += 1) === 2) both.resolve()
          if (first <= 2) await both.promise
        }
      })
    await Promise.all([work(['a', 'b']), work(['b', 'a'])])
    const rows = await store.db.selectFrom('roles').select('description').execute()
    assert.deepEqual(
      rows.map((row) => row.description),
      ['++', '++'],
    )
    await store.close()
  })
})
