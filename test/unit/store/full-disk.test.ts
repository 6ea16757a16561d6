import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sql } from 'kysely'
import { LodgeError } from '../../../src/base/errors.ts'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'

test('a store whose disk is full says so, forgets what it could not write, and goes on once there is room', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-store-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const store = await openSqliteStore({ path: join(directory, 'lodge.db') })
  t.after(() => store.close())
  const role = (id: string, description: string) =>
    store.transaction(async (trx) => {
      await trx.insertInto('roles').values({ id, name: id, description: null }).execute()
      await trx.updateTable('roles').set({ description }).where('id', '=', id).execute()
    })

  // SQLite's own way to make a disk of a few pages: it fails with the same code as a disk that is full.
  const { page_count: pages } = (await sql<{ page_count: number }>`pragma page_count`.execute(store.db))
    .rows[0]!
  await sql.raw(`pragma max_page_count = ${pages + 1}`).execute(store.db)
  await assert.rejects(
    role('large', 'x'.repeat(100_000)),
    (error) => error instanceof LodgeError && error.kind === 'unavailable' && /full/.test(error.message),
  )
  await sql.raw('pragma max_page_count = 100000').execute(store.db)
  await role('small', 'y')

  const rows = await store.db.selectFrom('roles').select('id').execute()
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['small'],
  )
})
