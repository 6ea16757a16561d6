import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { LodgeError, messageOf } from '../base/errors.ts'

/** How many prepared statements are kept. Kysely's texts repeat, and preparing costs more than running. */
const keptStatements = 500

/** Node's own SQLite in the shape that Kysely's dialect calls. */
export function sqliteForKysely(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>()
  return {
    close: () => {
      statements.clear()
      database.close()
    },
    prepare: (sql) => {
      if (sql === 'rollback' && !database.isTransaction) return nothing
      const known = statements.get(sql)
      if (known) return known
      const oldest = statements.keys().next()
      if (statements.size >= keptStatements && !oldest.done) statements.delete(oldest.value)
      const statement = adapt(database.prepare(sql))
      statements.set(sql, statement)
      return statement
    },
  }
}

function adapt(statement: StatementSync): SqliteStatement {
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[]
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => told(() => statement.all(...values(parameters))),
    run: (parameters) => told(() => statement.run(...values(parameters))),
    iterate: (parameters) => statement.iterate(...values(parameters)) as IterableIterator<unknown>,
  }
}

/** SQLite rolls back by itself when the disk is full or fails; Kysely does not know, and would hide why. */
const nothing: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
}

/** Primary result codes of what an operator can mend: BUSY, READONLY, IOERR, FULL, CANTOPEN. */
const passing = new Set([5, 8, 10, 13, 14])

function told<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { errcode } = error as { errcode?: number }
    if (errcode === undefined || !passing.has(errcode & 0xff)) throw error
    throw new LodgeError('unavailable', `The store does not work now: ${messageOf(error)}.`, { cause: error })
  }
}
