import type { Kysely, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** What functions of the table families take: the database, or a transaction on it. */
export type Db = Kysely<Schema> | Transaction<Schema>

/** The controller's state: one SQL database behind Kysely. What a finished transaction wrote is on disk. */
export interface Store {
  readonly db: Kysely<Schema>
  transaction<T>(work: (trx: Transaction<Schema>) => Promise<T>): Promise<T>
  close(): Promise<void>
}
