import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { LodgeError } from '../base/errors.ts'
import { textsInByteOrder } from './byte-order.ts'
import { initial } from './migrations/0001-initial.ts'
import { fleet } from './migrations/0002-fleet.ts'
import { lookups } from './migrations/0003-lookups.ts'
import { agentKeys } from './migrations/0004-agent-keys.ts'
import { quotaUsage } from './migrations/0005-quota-usage.ts'
import { flavorNumbers } from './migrations/0005-flavor-numbers.ts'
import type { Schema } from './schema.ts'

/** Which of the two databases, where their words for a column differ. */
export type SqlFlavor = 'sqlite' | 'postgres'

/** Every change of the tables since the first, in order. A released one is never edited. */
const migrations: Record<string, (flavor: SqlFlavor) => Migration> = {
  '0001-initial': initial,
  '0002-fleet': fleet,
  '0003-lookups': lookups,
  '0004-agent-keys': agentKeys,
  '0005-quota-usage': quotaUsage,
  '0005-flavor-numbers': flavorNumbers,
}

/**
 * Brings the tables up to date.
 * @throws LodgeError unavailable when the database does not answer, internal when a migration fails; the failed one
 * leaves nothing behind
 */
export async function migrate(db: Kysely<Schema>, flavor: SqlFlavor): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          Object.entries(migrations).map(([name, make]) => [name, withOrder(make(flavor), flavor)]),
        ),
    },
  })
  const { error } = await migrator.migrateToLatest()
  if (error instanceof LodgeError) throw error
  if (error)
    throw new LodgeError('internal', 'The database could not be brought up to date.', { cause: error })
}

const withOrder = (migration: Migration, flavor: SqlFlavor): Migration =>
  flavor === 'sqlite' ? migration : { up: (db) => migration.up(db.withPlugin(textsInByteOrder)) }
