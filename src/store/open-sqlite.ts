import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, SqliteDialect } from 'kysely'
import { LodgeError, messageOf } from '../base/errors.ts'
import { migrate } from './migrate.ts'
import type { Schema } from './schema.ts'
import { sqliteForKysely } from './sqlite-for-kysely.ts'
import type { Store } from './store.ts'

export interface SqliteOptions {
  /** The database's file, made if it is not there; `:memory:` for one that vanishes. */
  path: string
  /** Only reads, and migrates nothing: for looking at the state of a running process. */
  readOnly?: boolean
}

/**
 * Opens the store on SQLite (WAL, synchronous FULL: a finished transaction survives a power cut) and brings its
 * tables up to date.
 *
 * There is one connection, so transactions run one after another: inside `transaction` use the given `trx` only;
 * waiting there for a query on `store.db` would wait for ever.
 * @throws LodgeError unavailable when the file cannot be opened
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const database = openDatabase(options)
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: sqliteForKysely(database) }) })
  if (!options.readOnly) await migrate(db, 'sqlite')
  return {
    db,
    connections: 1,
    transaction: (work) => db.transaction().execute(work),
    close: () => db.destroy(),
  }
}

function openDatabase({ path, readOnly = false }: SqliteOptions): DatabaseSync {
  try {
    if (!readOnly && path !== ':memory:') makePrivate(path)
    const database = new DatabaseSync(path, { readOnly })
    // SQLite looks into the file no sooner than it must.
    if (readOnly) database.exec('SELECT 1 FROM sqlite_schema')
    if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    database.exec('PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;')
    return database
  } catch (error) {
    throw new LodgeError('unavailable', `Cannot open the database ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/**
 * Hashes of passwords and tokens are in it, and users' data: for its owner's eyes only. SQLite gives the files that
 * it puts beside it the same mode.
 */
function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}
