import { sql, type Selectable } from 'kysely'
import { capacityOf, type HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import { allocatedOn } from './allocations.ts'
import type { HostsTable } from './schema.ts'
import type { Db } from './store.ts'

/** A host as the controller keeps it. */
export interface Host {
  /** The integer id of old microversions. */
  number: number
  /** The hypervisor's UUID. */
  id: string
  name: string
  description: HostDescription
  /** With ratio and reserve applied; a claim compares with these. */
  capacity: Resources
  used: Resources
  createdAt: number
}

/** All hosts by name. */
export async function listHosts(db: Db): Promise<Host[]> {
  const rows = await db.selectFrom('hosts').selectAll().orderBy('number').execute()
  return rows.map(hostFromRow)
}

/** One host by its name, or undefined. */
export async function getHost(db: Db, name: string): Promise<Host | undefined> {
  const row = await db.selectFrom('hosts').selectAll().where('name', '=', name).executeTakeFirst()
  return row && hostFromRow(row)
}

/** Writes what a host's agent says of it. A host that is new takes over what is allocated on its name already. */
export const upsertHost = (trx: Db, description: HostDescription, now: number): Promise<void> =>
  upsertHosts(trx, [description], now)

/** The same for some hundred hosts, each named once, in as few statements as it takes for one. */
export async function upsertHosts(
  trx: Db,
  descriptions: readonly HostDescription[],
  now: number,
): Promise<void> {
  if (descriptions.length === 0) return
  const rows = await trx
    .selectFrom('hosts')
    .select('name')
    .where(
      'name',
      'in',
      descriptions.map(({ name }) => name),
    )
    .execute()
  const present = new Set(rows.map(({ name }) => name))
  // Always in the same order, so that two controllers do not wait for each other.
  const sorted = descriptions.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const [old, fresh] = [
    sorted.filter(({ name }) => present.has(name)),
    sorted.filter(({ name }) => !present.has(name)),
  ]
  if (old.length > 0) await describeAgain(trx, old)
  if (fresh.length > 0) await insertHosts(trx, fresh, now)
}

/** The columns are called so by PostgreSQL and SQLite alike, when nobody names them. */
async function describeAgain(trx: Db, descriptions: readonly HostDescription[]): Promise<void> {
  const said = descriptions.map((description) => {
    const row = whatIsSaid(description)
    return sql`(cast(${description.name} as text), cast(${row.description_json} as text),
      cast(${row.capacity_vcpus} as bigint), cast(${row.capacity_memory_mib} as bigint),
      cast(${row.capacity_disk_gib} as bigint))`
  })
  await sql`
    update hosts set description_json = said.column2, capacity_vcpus = said.column3,
      capacity_memory_mib = said.column4, capacity_disk_gib = said.column5
    from (values ${sql.join(said)}) as said where hosts.name = said.column1`.execute(trx)
}

async function insertHosts(trx: Db, descriptions: readonly HostDescription[], now: number): Promise<void> {
  const used = await allocatedOn(
    trx,
    descriptions.map(({ name }) => name),
  )
  await trx
    .insertInto('hosts')
    .values(
      descriptions.map((description) => {
        const { vcpus, memoryMiB, diskGiB } = used.get(description.name) ?? nothing
        return {
          id: description.id,
          name: description.name,
          ...whatIsSaid(description),
          used_vcpus: vcpus,
          used_memory_mib: memoryMiB,
          used_disk_gib: diskGiB,
          created_at: now,
        }
      }),
    )
    .execute()
}

const nothing: Resources = { vcpus: 0, memoryMiB: 0, diskGiB: 0 }

const whatIsSaid = (description: HostDescription) => ({
  description_json: JSON.stringify(description),
  capacity_vcpus: capacityOf(description.vcpus),
  capacity_memory_mib: capacityOf(description.memoryMiB),
  capacity_disk_gib: capacityOf(description.diskGiB),
})

/** Forgets a host. Whoever calls makes sure that no server is on it. */
export async function deleteHost(trx: Db, name: string): Promise<void> {
  await trx.deleteFrom('hosts').where('name', '=', name).execute()
}

/** How many servers that are not deleted each host has; hosts without any are left out. */
export async function countServersByHost(db: Db): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('servers')
    .select(['host', (of) => of.fn.countAll<number>().as('count')])
    .where('host', 'is not', null)
    .where('deleted_at', 'is', null)
    .groupBy('host')
    .execute()
  return new Map(rows.map((row) => [row.host!, Number(row.count)]))
}

/** Takes a host out of the scheduler's sight while it is worked on, or back. False when there is no such host. */
export async function setHostMaintenance(trx: Db, name: string, on: boolean, now: number): Promise<boolean> {
  const result = await trx
    .updateTable('hosts')
    .set({ maintenance: on ? 1 : 0 })
    .where('name', '=', name)
    .executeTakeFirst()
  // Services tell the conductors that hosts have changed.
  await trx
    .updateTable('services')
    .set({ updated_at: now })
    .where('host', '=', name)
    .where('binary', '=', 'nova-compute')
    .execute()
  return result.numUpdatedRows > 0n
}

function hostFromRow(row: Selectable<HostsTable>): Host {
  return {
    number: row.number,
    id: row.id,
    name: row.name,
    description: JSON.parse(row.description_json) as HostDescription,
    capacity: {
      vcpus: row.capacity_vcpus,
      memoryMiB: row.capacity_memory_mib,
      diskGiB: row.capacity_disk_gib,
    },
    used: { vcpus: row.used_vcpus, memoryMiB: row.used_memory_mib, diskGiB: row.used_disk_gib },
    createdAt: row.created_at,
  }
}
