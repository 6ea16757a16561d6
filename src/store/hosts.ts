import type { Selectable } from 'kysely'
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
export async function upsertHost(trx: Db, description: HostDescription, now: number): Promise<void> {
  const said = {
    description_json: JSON.stringify(description),
    capacity_vcpus: capacityOf(description.vcpus),
    capacity_memory_mib: capacityOf(description.memoryMiB),
    capacity_disk_gib: capacityOf(description.diskGiB),
  }
  const updated = await trx
    .updateTable('hosts')
    .set(said)
    .where('name', '=', description.name)
    .executeTakeFirst()
  if (updated.numUpdatedRows > 0n) return
  const used = await allocatedOn(trx, description.name)
  await trx
    .insertInto('hosts')
    .values({
      id: description.id,
      name: description.name,
      ...said,
      used_vcpus: used.vcpus,
      used_memory_mib: used.memoryMiB,
      used_disk_gib: used.diskGiB,
      created_at: now,
    })
    .execute()
}

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
