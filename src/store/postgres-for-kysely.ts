import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { types as pgTypes, type CustomTypesConfig, type Pool, type PoolClient } from 'pg'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import { fromPostgres } from './postgres-errors.ts'

/**
 * A pool of `pg` in the shape that Kysely's dialect calls: errors are ours, numbers are numbers, and connections that
 * broke are not used again.
 */
export function poolForKysely(pool: Pool, log: Logger): PostgresPool {
  // Without listeners a lost connection would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  pool.on('error', (error) => log.warn({ reason: messageOf(error) }, 'a connection to the database was lost'))
  const known = new WeakMap<PoolClient, PostgresPoolClient>()
  return {
    options: pool.options,
    connect: async () => {
      let client: PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        throw fromPostgres(error, 'connect')
      }
      const seen = known.get(client) ?? adapt(client)
      known.set(client, seen)
      return seen
    },
    end: () => pool.end(),
  }
}

function adapt(client: PoolClient): PostgresPoolClient {
  let isBroken = false
  const query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    try {
      return await client.query({ name: nameOf(text), text, values: values as unknown[], types })
    } catch (error) {
      if (text === 'rollback') {
        // The server rolls back by itself when it loses us; what went wrong before is what matters.
        isBroken = true
        return { command: 'ROLLBACK', rowCount: null, rows: [] }
      }
      throw fromPostgres(error, text)
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(isBroken || destroy === true),
  }
}

/**
 * A statement that begins with the word `often` in a comment is prepared once on each connection, which saves the
 * server parsing and planning it. Only for those with constant texts that name their result's columns: such a plan
 * survives a change of the tables.
 */
const often = '/* often */'
const names = new Map<string, string>()

function nameOf(text: string): string | undefined {
  if (!text.trimStart().startsWith(often)) return undefined
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `often-${names.size + 1}`
  names.set(text, name)
  return name
}

/** Types whose values come as text by default, since they may exceed what a number holds. None of ours does. */
const asNumber = new Set<number>([pgTypes.builtins.INT8, pgTypes.builtins.NUMERIC])

const types: CustomTypesConfig = {
  getTypeParser: ((id: number, format?: 'text') =>
    asNumber.has(id) ? Number : pgTypes.getTypeParser(id, format)) as typeof pgTypes.getTypeParser,
}
