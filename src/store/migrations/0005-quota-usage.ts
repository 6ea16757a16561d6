import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { SqlFlavor } from '../migrate.ts'
import { required, table } from './columns.ts'

/**
 * What each user takes of a project's quota, kept by the database itself with every change of a server, in the same
 * transaction: nobody has to sum up servers, and no way of changing one can forget it.
 */
export const quotaUsage = (flavor: SqlFlavor): Migration => ({
  up: async (db: Kysely<unknown>) => {
    const number = flavor === 'sqlite' ? 'integer' : 'bigint'
    await table(db, 'quota_usage', (t) =>
      t
        .addColumn('project_id', 'text', required)
        .addColumn('user_id', 'text', required)
        .addColumn('instances', number, required)
        .addColumn('cores', number, required)
        .addColumn('ram', number, required)
        .addPrimaryKeyConstraint('quota_usage_key', ['project_id', 'user_id']),
    )
    for (const column of ['vcpus', 'memory_mib'])
      await db.schema
        .alterTable('servers')
        .addColumn(column, number, (c) => c.notNull().defaultTo(0))
        .execute()
    for (const column of ['next_vcpus', 'next_memory_mib'])
      await db.schema.alterTable('servers').addColumn(column, number).execute()
    await readFlavors(db)
    await sql`
      insert into quota_usage (project_id, user_id, instances, cores, ram)
      select project_id, user_id, count(*), sum(vcpus), sum(memory_mib) from servers s
      where ${counts('s')} group by project_id, user_id`.execute(db)
    await (flavor === 'sqlite' ? sqliteTriggers(db) : postgresTriggers(db))
  },
})

/** Servers that were there before: their flavors' texts are few, however many servers there are. */
async function readFlavors(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ flavor_json: string }>`select distinct flavor_json from servers`.execute(db)
  for (const { flavor_json } of rows) {
    const { vcpus, memoryMiB } = JSON.parse(flavor_json) as { vcpus: number; memoryMiB: number }
    await sql`update servers set vcpus = ${vcpus}, memory_mib = ${memoryMiB}
      where flavor_json = ${flavor_json}`.execute(db)
  }
}

/** Deleted servers do not count, nor those that are kept for a while before they are. */
const counts = (row: string) => sql.raw(`(${row}.deleted_at is null and ${row}.vm_state <> 'soft-delete')`)

/** Most updates of a server change nothing of what it takes. */
const changes = sql`(${counts('old')} <> ${counts('new')} or old.vcpus <> new.vcpus
  or old.memory_mib <> new.memory_mib or coalesce(old.next_vcpus, 0) <> coalesce(new.next_vcpus, 0)
  or coalesce(old.next_memory_mib, 0) <> coalesce(new.next_memory_mib, 0))`

const watched = sql.raw('deleted_at, vm_state, vcpus, memory_mib, next_vcpus, next_memory_mib')

/** Of a server on its way to another size, the larger of both counts. */
const taken = (row: string, larger: 'max' | 'greatest', sign: 1 | -1) =>
  sql.raw(`${sign}, ${sign} * ${larger}(${row}.vcpus, coalesce(${row}.next_vcpus, 0)),
    ${sign} * ${larger}(${row}.memory_mib, coalesce(${row}.next_memory_mib, 0))`)

const add = (row: 'new' | 'old', larger: 'max' | 'greatest') => sql`
  insert into quota_usage (project_id, user_id, instances, cores, ram)
  values (${sql.raw(`${row}.project_id, ${row}.user_id`)}, ${taken(row, larger, row === 'new' ? 1 : -1)})
  on conflict (project_id, user_id) do update set instances = quota_usage.instances + excluded.instances,
    cores = quota_usage.cores + excluded.cores, ram = quota_usage.ram + excluded.ram`

async function sqliteTriggers(db: Kysely<unknown>): Promise<void> {
  const came = add('new', 'max')
  const went = add('old', 'max')
  await sql`create trigger servers_usage_insert after insert on servers when ${counts('new')}
    begin ${came}; end`.execute(db)
  await sql`create trigger servers_usage_delete after delete on servers when ${counts('old')}
    begin ${went}; end`.execute(db)
  await sql`create trigger servers_usage_went after update of ${watched} on servers when ${changes} and ${counts('old')}
    begin ${went}; end`.execute(db)
  await sql`create trigger servers_usage_came after update of ${watched} on servers when ${changes} and ${counts('new')}
    begin ${came}; end`.execute(db)
}

async function postgresTriggers(db: Kysely<unknown>): Promise<void> {
  for (const [name, row] of [
    ['servers_usage_came', 'new'],
    ['servers_usage_went', 'old'],
  ] as const)
    await sql`create function ${sql.raw(name)}() returns trigger language plpgsql as ${sql.raw('$$')}
      begin ${add(row, 'greatest')}; return null; end ${sql.raw('$$')}`.execute(db)
  const when = sql.raw('for each row when')
  await sql`create trigger servers_usage_insert after insert on servers ${when} (${counts('new')})
    execute function servers_usage_came()`.execute(db)
  await sql`create trigger servers_usage_delete after delete on servers ${when} (${counts('old')})
    execute function servers_usage_went()`.execute(db)
  await sql`create trigger servers_usage_went after update of ${watched} on servers ${when} (${changes} and ${counts('old')})
    execute function servers_usage_went()`.execute(db)
  await sql`create trigger servers_usage_came after update of ${watched} on servers ${when} (${changes} and ${counts('new')})
    execute function servers_usage_came()`.execute(db)
}
