import { env } from 'node:process'
import { silentLogger } from '../../src/base/logging.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { startPrivatePostgres, type PrivatePostgres } from './private-postgres.ts'

/**
 * An empty store for a test: SQLite in the file `path` (`:memory:` for none), or with LODGE_TEST_STORE=postgres a
 * database of its own in a PostgreSQL that lives as long as this process.
 */
export async function openTestStore(path: string): Promise<Store> {
  if (!onPostgres()) return openSqliteStore({ path })
  server ??= startPrivatePostgres()
  const postgres = await server
  template ??= makeTemplate(postgres)
  const url = await postgres.database(await template)
  return openPostgresStore({ url, log: silentLogger(), connections: 6 })
}

/** A database with all tables: a copy of it is made in a third of the time that the migrations take. */
async function makeTemplate(postgres: PrivatePostgres): Promise<string> {
  const url = await postgres.database()
  await (await openPostgresStore({ url, log: silentLogger() })).close()
  return url
}

/** Whether this process tests over PostgreSQL. */
export const onPostgres = (): boolean => env['LODGE_TEST_STORE'] === 'postgres'

let server: Promise<PrivatePostgres> | undefined
let template: Promise<string> | undefined
