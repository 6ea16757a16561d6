import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Kysely, SqliteDialect } from 'kysely'
import { fleet } from '../../../src/store/migrations/0002-fleet.ts'
import { initial } from '../../../src/store/migrations/0001-initial.ts'
import { quotaUsage } from '../../../src/store/migrations/0005-quota-usage.ts'
import { serverUsage } from '../../../src/store/quota-usage.ts'
import type { Schema } from '../../../src/store/schema.ts'
import { insertServer, markServerDeleted } from '../../../src/store/servers.ts'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'
import { sqliteForKysely } from '../../../src/store/sqlite-for-kysely.ts'
import { aServer } from '../../support/store-records.ts'

test('servers that were there before quotas were kept are counted', async (t) => {
  const db = new Kysely<Schema>({
    dialect: new SqliteDialect({ database: sqliteForKysely(new DatabaseSync(':memory:')) }),
  })
  t.after(() => db.destroy())
  await initial('sqlite').up(db)
  await fleet('sqlite').up(db)
  const now = await openSqliteStore({ path: ':memory:' })
  t.after(() => now.close())
  for (const id of ['a', 'b', 'gone']) await insertServer(now.db, aServer(id, { projectId: 'old' }))
  await markServerDeleted(now.db, 'gone', 1)
  for (const row of await now.db.selectFrom('servers').selectAll().execute()) {
    const { vcpus: _vcpus, memory_mib: _memory, next_vcpus: _next, next_memory_mib: _more, ...before } = row
    await db
      .insertInto('servers')
      .values(before as typeof row)
      .execute()
  }
  await quotaUsage('sqlite').up(db)
  assert.deepEqual(await serverUsage(db, 'old'), await serverUsage(now.db, 'old'))
  assert.deepEqual(await serverUsage(db, 'old'), { instances: 2, cores: 2, ram: 128 })
})
