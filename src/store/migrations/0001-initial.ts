import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { SqlFlavor } from '../migrate.ts'
import { index, numbered, required, table } from './columns.ts'

/** The tables of the first release; `schema.ts` says what the columns mean. */
export const initial = (flavor: SqlFlavor): Migration => ({
  up: async (db: Kysely<unknown>) => {
    /** Milliseconds, and sizes beyond 32 bits. */
    const number = flavor === 'sqlite' ? 'integer' : 'bigint'

    await table(db, 'domains', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('enabled', 'integer', required)
        .addColumn('description', 'text', required),
    )
    await table(db, 'projects', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', required)
        .addColumn('domain_id', 'text', (c) => c.notNull().references('domains.id'))
        .addColumn('enabled', 'integer', required)
        .addColumn('description', 'text', required)
        .addColumn('extra_json', 'text', required)
        .addUniqueConstraint('projects_name', ['domain_id', 'name']),
    )
    await table(db, 'users', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', required)
        .addColumn('domain_id', 'text', (c) => c.notNull().references('domains.id'))
        .addColumn('enabled', 'integer', required)
        .addColumn('email', 'text')
        .addColumn('description', 'text')
        .addColumn('default_project_id', 'text')
        .addColumn('password_hash', 'text', required)
        .addColumn('extra_json', 'text', required)
        .addUniqueConstraint('users_name', ['domain_id', 'name']),
    )
    await table(db, 'roles', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('description', 'text'),
    )
    await table(db, 'role_assignments', (t) =>
      t
        .addColumn('actor_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
        .addColumn('target_type', 'text', required)
        .addColumn('target_id', 'text', required)
        .addColumn('role_id', 'text', (c) => c.notNull().references('roles.id').onDelete('cascade'))
        .addPrimaryKeyConstraint('role_assignments_key', ['actor_id', 'target_type', 'target_id', 'role_id']),
    )
    await table(db, 'tokens', (t) =>
      t
        .addColumn('hash', 'text', (c) => c.primaryKey())
        .addColumn('audit_id', 'text', required)
        .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
        .addColumn('project_id', 'text')
        .addColumn('domain_id', 'text')
        .addColumn('system', 'integer', required)
        .addColumn('methods_json', 'text', required)
        .addColumn('issued_at', number, required)
        .addColumn('expires_at', number, required),
    )
    await index(db, 'tokens', ['user_id'])
    await index(db, 'tokens', ['expires_at'])

    await table(db, 'images', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text')
        .addColumn('status', 'text', required)
        .addColumn('owner', 'text')
        .addColumn('visibility', 'text', required)
        .addColumn('protected', 'integer', required)
        .addColumn('hidden', 'integer', required)
        .addColumn('container_format', 'text')
        .addColumn('disk_format', 'text')
        .addColumn('min_disk', 'integer', required)
        .addColumn('min_ram', 'integer', required)
        .addColumn('size', number)
        .addColumn('virtual_size', number)
        .addColumn('checksum', 'text')
        .addColumn('os_hash_value', 'text')
        .addColumn('properties_json', 'text', required)
        .addColumn('tags_json', 'text', required)
        .addColumn('created_at', number, required)
        .addColumn('updated_at', number, required),
    )
    await index(db, 'images', ['owner'])

    await table(db, 'flavors', (t) =>
      t
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('vcpus', 'integer', required)
        .addColumn('memory_mib', 'integer', required)
        .addColumn('root_gib', 'integer', required)
        .addColumn('ephemeral_gib', 'integer', required)
        .addColumn('swap_mib', 'integer', required)
        .addColumn('rxtx_factor', 'real', required)
        .addColumn('is_public', 'integer', required)
        .addColumn('disabled', 'integer', required)
        .addColumn('description', 'text')
        .addColumn('extra_specs_json', 'text', required)
        .addColumn('created_at', number, required),
    )
    await table(db, 'flavor_access', (t) =>
      t
        .addColumn('flavor_id', 'text', (c) => c.notNull().references('flavors.id').onDelete('cascade'))
        .addColumn('project_id', 'text', required)
        .addPrimaryKeyConstraint('flavor_access_key', ['flavor_id', 'project_id']),
    )
    await table(db, 'key_pairs', (t) =>
      numbered(t, flavor)
        .addColumn('user_id', 'text', required)
        .addColumn('name', 'text', required)
        .addColumn('type', 'text', required)
        .addColumn('fingerprint', 'text', required)
        .addColumn('public_key', 'text', required)
        .addColumn('created_at', number, required)
        .addUniqueConstraint('key_pairs_name', ['user_id', 'name']),
    )

    await table(db, 'servers', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('name', 'text', required)
        .addColumn('description', 'text')
        .addColumn('hostname', 'text', required)
        .addColumn('vm_state', 'text', required)
        .addColumn('task_state', 'text')
        .addColumn('power_state', 'integer', required)
        .addColumn('host', 'text')
        .addColumn('availability_zone', 'text')
        .addColumn('flavor_id', 'text', required)
        .addColumn('flavor_json', 'text', required)
        .addColumn('image_id', 'text')
        .addColumn('image_json', 'text', required)
        .addColumn('key_name', 'text')
        .addColumn('key_json', 'text', required)
        .addColumn('user_data', 'text')
        .addColumn('config_drive', 'integer', required)
        .addColumn('metadata_json', 'text', required)
        .addColumn('scheduler_hints_json', 'text', required)
        .addColumn('disk_config', 'text', required)
        .addColumn('access_ipv4', 'text')
        .addColumn('access_ipv6', 'text')
        .addColumn('reservation_id', 'text', required)
        .addColumn('launch_index', 'integer', required)
        .addColumn('root_device_name', 'text')
        .addColumn('machine_type', 'text')
        .addColumn('locked_by', 'text')
        .addColumn('locked_reason', 'text')
        .addColumn('progress', 'integer', required)
        .addColumn('created_at', number, required)
        .addColumn('updated_at', number, required)
        .addColumn('launched_at', number)
        .addColumn('terminated_at', number)
        .addColumn('deleted_at', number),
    )
    await index(db, 'servers', ['project_id', 'deleted_at', 'created_at'])
    await index(db, 'servers', ['host', 'deleted_at'])
    await index(db, 'servers', ['deleted_at', 'created_at'])
    await table(db, 'server_tags', (t) =>
      t
        .addColumn('server_id', 'text', (c) => c.notNull().references('servers.id').onDelete('cascade'))
        .addColumn('tag', 'text', required)
        .addPrimaryKeyConstraint('server_tags_key', ['server_id', 'tag']),
    )
    await table(db, 'server_faults', (t) =>
      numbered(t, flavor)
        .addColumn('server_id', 'text', required)
        .addColumn('code', 'integer', required)
        .addColumn('message', 'text', required)
        .addColumn('details', 'text', required)
        .addColumn('created_at', number, required),
    )
    await index(db, 'server_faults', ['server_id', 'number'])

    await table(db, 'actions', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('server_id', 'text', required)
        .addColumn('request_id', 'text', required)
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('name', 'text', required)
        .addColumn('state', 'text', required)
        .addColumn('params_json', 'text', required)
        .addColumn('progress_json', 'text', required)
        .addColumn('step', 'integer', required)
        .addColumn('lease_owner', 'text')
        .addColumn('lease_until', number, required)
        .addColumn('deadline', number, required)
        .addColumn('message', 'text')
        .addColumn('started_at', number, required)
        .addColumn('updated_at', number, required)
        .addColumn('finished_at', number),
    )
    await index(db, 'actions', ['server_id', 'number'])
    // Live actions only: the conductor's look for work stays as cheap as there is work, whatever the history holds.
    await db.schema
      .createIndex('actions_live')
      .on('actions')
      .columns(['state', 'number'])
      .where('finished_at' as never, 'is', null)
      .execute()
    await table(db, 'action_steps', (t) =>
      numbered(t, flavor)
        .addColumn('action_id', 'text', required)
        .addColumn('event', 'text', required)
        .addColumn('host', 'text')
        .addColumn('result', 'text')
        .addColumn('details', 'text')
        .addColumn('traceback', 'text')
        .addColumn('started_at', number, required)
        .addColumn('finished_at', number),
    )
    await index(db, 'action_steps', ['action_id', 'number'])

    await table(db, 'hosts', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('description_json', 'text', required)
        .addColumn('capacity_vcpus', 'integer', required)
        .addColumn('capacity_memory_mib', number, required)
        .addColumn('capacity_disk_gib', number, required)
        .addColumn('used_vcpus', 'integer', required)
        .addColumn('used_memory_mib', number, required)
        .addColumn('used_disk_gib', number, required)
        .addColumn('created_at', number, required),
    )
    await table(db, 'services', (t) =>
      numbered(t, flavor)
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('binary', 'text', required)
        .addColumn('host', 'text', required)
        .addColumn('disabled', 'integer', required)
        .addColumn('disabled_reason', 'text')
        .addColumn('forced_down', 'integer', required)
        .addColumn('last_seen_at', number, required)
        .addColumn('created_at', number, required)
        .addColumn('updated_at', number, required)
        .addUniqueConstraint('services_name', ['host', 'binary']),
    )
    await table(db, 'allocations', (t) =>
      t
        .addColumn('server_id', 'text', required)
        .addColumn('host', 'text', required)
        .addColumn('vcpus', 'integer', required)
        .addColumn('memory_mib', number, required)
        .addColumn('disk_gib', number, required)
        .addColumn('created_at', number, required)
        .addPrimaryKeyConstraint('allocations_key', ['server_id', 'host']),
    )
    await index(db, 'allocations', ['host'])
    await table(db, 'placements', (t) =>
      numbered(t, flavor)
        .addColumn('request_id', 'text', required)
        .addColumn('server_id', 'text', required)
        .addColumn('chosen_host', 'text')
        .addColumn('reasons_json', 'text', required)
        .addColumn('created_at', number, required),
    )
    await index(db, 'placements', ['server_id', 'number'])

    await table(db, 'quotas', (t) =>
      t
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('resource', 'text', required)
        .addColumn('hard_limit', 'integer', required)
        .addPrimaryKeyConstraint('quotas_key', ['project_id', 'user_id', 'resource']),
    )
    await table(db, 'quota_classes', (t) =>
      t
        .addColumn('class_name', 'text', required)
        .addColumn('resource', 'text', required)
        .addColumn('hard_limit', 'integer', required)
        .addPrimaryKeyConstraint('quota_classes_key', ['class_name', 'resource']),
    )
  },
})
