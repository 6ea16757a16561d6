import type { Kysely, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** What functions of the table families take: the database, or a transaction on it. */
export type Db = Kysely<Schema> | Transaction<Schema>

/** The controller's state: one SQL database behind Kysely. What a finished transaction wrote is on disk. */
export interface Store {
  readonly db: Kysely<Schema>
  /** How many transactions run at the same time at most; further ones wait. */
  readonly connections: number
  /**
   * Runs `work` in a transaction. When others were in its way (a deadlock, the same name inserted at the same moment)
   * it is rolled back and run again, so `work` changes nothing but the database, or can be run twice.
   */
  transaction<T>(work: (trx: Transaction<Schema>) => Promise<T>): Promise<T>
  close(): Promise<void>
}
