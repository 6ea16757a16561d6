import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import { index } from './columns.ts'

/** What is asked with every placement, or by people who wait, gets an index of its own. */
export const lookups = (): Migration => ({
  up: async (db: Kysely<unknown>) => {
    await index(db, 'services', ['updated_at'])
    await index(db, 'placements', ['request_id', 'number'])
  },
})
