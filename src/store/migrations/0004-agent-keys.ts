import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { SqlFlavor } from '../migrate.ts'
import { index, required, table } from './columns.ts'

/** Every key that an agent ever joined with, so that those which count no more can be told to nats-server. */
export const agentKeys = (flavor: SqlFlavor): Migration => ({
  up: async (db: Kysely<unknown>) => {
    const number = flavor === 'sqlite' ? 'integer' : 'bigint'
    await table(db, 'agent_keys', (t) =>
      t
        .addColumn('public_key', 'text', (c) => c.primaryKey())
        .addColumn('host', 'text', required)
        .addColumn('revoked_at', number),
    )
    await index(db, 'agent_keys', ['host'])
    await sql`insert into agent_keys (public_key, host, revoked_at)
      select public_key, host, revoked_at from agents`.execute(db)
  },
})
