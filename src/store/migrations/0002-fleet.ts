import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { SqlFlavor } from '../migrate.ts'
import { index, numbered, required, table } from './columns.ts'

/** Aggregates, server groups, migrations of servers, and the credentials of agents. */
export const fleet = (flavor: SqlFlavor): Migration => ({
  up: async (db: Kysely<unknown>) => {
    const number = flavor === 'sqlite' ? 'integer' : 'bigint'
    await table(db, 'aggregates', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('metadata_json', 'text', required)
        .addColumn('created_at', number, required)
        .addColumn('updated_at', number),
    )
    await table(db, 'aggregate_hosts', (t) =>
      t
        .addColumn('aggregate_number', number, (c) =>
          c.notNull().references('aggregates.number').onDelete('cascade'),
        )
        .addColumn('host', 'text', required)
        .addPrimaryKeyConstraint('aggregate_hosts_key', ['aggregate_number', 'host']),
    )
    await table(db, 'server_groups', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('name', 'text', required)
        .addColumn('policy', 'text', required)
        .addColumn('rules_json', 'text', required)
        .addColumn('created_at', number, required),
    )
    await index(db, 'server_groups', ['project_id'])
    await table(db, 'server_group_members', (t) =>
      t
        .addColumn('group_id', 'text', (c) => c.notNull().references('server_groups.id').onDelete('cascade'))
        .addColumn('server_id', 'text', required)
        .addPrimaryKeyConstraint('server_group_members_key', ['group_id', 'server_id']),
    )
    await index(db, 'server_group_members', ['server_id'])
    await table(db, 'migrations', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('server_id', 'text', required)
        .addColumn('request_id', 'text', required)
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('type', 'text', required)
        .addColumn('status', 'text', required)
        .addColumn('source_host', 'text')
        .addColumn('dest_host', 'text')
        .addColumn('old_flavor_id', 'text', required)
        .addColumn('new_flavor_id', 'text', required)
        .addColumn('progress_json', 'text', required)
        .addColumn('created_at', number, required)
        .addColumn('updated_at', number, required),
    )
    await index(db, 'migrations', ['server_id', 'number'])
    await index(db, 'migrations', ['status'])
    await index(db, 'migrations', ['updated_at'])
    await table(db, 'agents', (t) =>
      t
        .addColumn('host', 'text', (c) => c.primaryKey())
        .addColumn('public_key', 'text', (c) => c.notNull().unique())
        .addColumn('joined_at', number, required)
        .addColumn('revoked_at', number),
    )
    await table(db, 'agent_invites', (t) =>
      t
        .addColumn('token_hash', 'text', (c) => c.primaryKey())
        .addColumn('host', 'text')
        .addColumn('created_at', number, required)
        .addColumn('expires_at', number, required)
        .addColumn('used_at', number),
    )
    // A server between resize and confirm: what it was, so that it can go back.
    await db.schema.alterTable('servers').addColumn('old_flavor_json', 'text').execute()
    await db.schema.alterTable('servers').addColumn('resize_json', 'text').execute()
    await db.schema.alterTable('servers').addColumn('pinned_availability_zone', 'text').execute()
    await db.schema
      .alterTable('hosts')
      .addColumn('maintenance', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
  },
})
