import { PostgresAdapter, sql } from 'kysely'
import type { Db } from './store.ts'

/**
 * Whether a row that is read should be locked with FOR UPDATE: in a transaction on PostgreSQL, where others write at
 * the same time. What is decided on such a row then still holds when it is written. SQLite has one writer at a time.
 */
export const locksRows = (db: Db): boolean => db.isTransaction && isPostgres(db)

/** Does the database run transactions of several connections at once? */
export const isPostgres = (db: Db): boolean => db.getExecutor().adapter instanceof PostgresAdapter

/**
 * Makes this transaction the only one that holds the lock of this name until it ends; others wait. For decisions on
 * rows that may not be there yet, such as a project's use of its quota.
 */
export async function lockName(trx: Db, kind: string, name: string): Promise<void> {
  if (locksRows(trx))
    await sql`select pg_advisory_xact_lock(hashtextextended(${`${kind}/${name}`}, 0))`.execute(trx)
}
