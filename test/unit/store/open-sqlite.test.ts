import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'

test('a store keeps what a transaction wrote, and forgets what a failed one did', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-store-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'lodge.db')

  const first = await openSqliteStore({ path })
  await first.transaction((trx) =>
    trx.insertInto('roles').values({ id: 'a', name: 'admin', description: null }).execute(),
  )
  await assert.rejects(
    first.transaction(async (trx) => {
      await trx.insertInto('roles').values({ id: 'b', name: 'reader', description: null }).execute()
      await trx.insertInto('roles').values({ id: 'c', name: 'admin', description: null }).execute()
    }),
    /UNIQUE/,
  )
  await first.close()

  const again = await openSqliteStore({ path })
  t.after(() => again.close())
  assert.deepEqual(
    (await again.db.selectFrom('roles').select('id').execute()).map((row) => row.id),
    ['a'],
  )
})

test('transactions that start together run one after another', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' })
  t.after(() => store.close())
  await store.db
    .insertInto('quotas')
    .values({ project_id: 'p', user_id: '', resource: 'cores', hard_limit: 0 })
    .execute()
  await Promise.all(
    Array.from({ length: 20 }, () =>
      store.transaction(async (trx) => {
        const { hard_limit } = await trx.selectFrom('quotas').select('hard_limit').executeTakeFirstOrThrow()
        await new Promise(setImmediate)
        await trx
          .updateTable('quotas')
          .set({ hard_limit: hard_limit + 1 })
          .execute()
      }),
    ),
  )
  assert.equal(
    (await store.db.selectFrom('quotas').select('hard_limit').executeTakeFirstOrThrow()).hard_limit,
    20,
  )
})

test('a database that cannot be opened is named in the error', async () => {
  await assert.rejects(
    openSqliteStore({ path: '/nonexistent/lodge.db' }),
    /Cannot open the database \/nonexistent/,
  )
})
