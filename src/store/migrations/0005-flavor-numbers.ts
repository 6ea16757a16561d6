import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { SqlFlavor } from '../migrate.ts'
import { numbered, table } from './columns.ts'

/** Flavors get numbers, which migrations of servers are shown with. */
export const flavorNumbers = (flavor: SqlFlavor): Migration => ({
  up: async (db: Kysely<unknown>) => {
    await table(db, 'flavor_numbers', (t) =>
      numbered(t, flavor).addColumn('flavor_id', 'text', (c) => c.notNull().unique()),
    )
    await sql`insert into flavor_numbers (flavor_id) select id from flavors order by created_at, id`.execute(
      db,
    )
  },
})
