import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import { withoutPassword } from '../base/without-password.ts'
import { migrate } from './migrate.ts'
import { poolForKysely } from './postgres-for-kysely.ts'
import { afterCollision, type Collision } from './postgres-errors.ts'
import type { Schema } from './schema.ts'
import type { Store } from './store.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`; for a socket `postgres://user@/database?host=/directory`. */
  url: string
  log: Logger
  /** Connections of this process at most. */
  connections?: number
  /** Migrates nothing: for looking at the state of running controllers. */
  readOnly?: boolean
}

/** Without a setting. A controller's transactions are short; more connections than this only wait for the disk. */
const usualConnections = 10
const connectMs = 10_000
/** A statement that takes longer has met a lock that nobody lets go of. */
const statementMs = 30_000
/** A transaction whose process halted must not hold its locks for ever. */
const idleInTransactionMs = 60_000

/**
 * Opens the store on PostgreSQL (15 or newer) and brings its tables up to date, one controller at a time when several
 * start at once. A server that goes away makes queries fail with `unavailable`; the next ones connect anew.
 *
 * Transactions are READ COMMITTED: what they decide is held by conditional updates, row locks and unique keys, and
 * whatever collides is run again.
 * @throws LodgeError unavailable when the server does not answer or refuses us
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const connections = options.connections ?? usualConnections
  const db = openDatabase(options, connections, statementMs)
  try {
    if (!options.readOnly) await migrateAlone(options)
    else await sql`select 1`.execute(db)
  } catch (error) {
    await db.destroy()
    throw new LodgeError(
      'unavailable',
      `Cannot use the database at ${withoutPassword(options.url)}: ${messageOf(error)}`,
      { cause: error },
    )
  }
  return {
    db,
    connections,
    transaction: (work) => runAgainOnCollision(options.log, () => db.transaction().execute(work)),
    close: () => db.destroy(),
  }
}

function openDatabase({ url, log }: PostgresOptions, connections: number, timeoutMs: number): Kysely<Schema> {
  const pool = new Pool({
    connectionString: url,
    max: connections,
    application_name: 'lodge',
    connectionTimeoutMillis: connectMs,
    statement_timeout: timeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    keepAlive: true,
  })
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: poolForKysely(pool, log) }) })
}

/** A change of large tables may take its time, and others that start wait for it: no limit for statements here. */
async function migrateAlone(options: PostgresOptions): Promise<void> {
  const db = openDatabase(options, 2, 0)
  try {
    await migrate(db, 'postgres')
  } finally {
    await db.destroy()
  }
}

/** Attempts in all, and the pause before the second; each further one doubles, with some chance in it. */
const attempts: Record<Collision, number> = { concurrency: 10, constraint: 3 }
const firstPauseMs = 5
const longestPauseMs = 500

async function runAgainOnCollision<T>(log: Logger, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const collision = afterCollision(error)
      if (!collision || attempt >= attempts[collision]) throw error
      log.debug({ err: error, attempt }, 'a transaction met another one and is run again')
      await sleep(Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + Math.random()))
    }
  }
}
