import { sql, type RawBuilder } from 'kysely'
import type { Resources } from '../model/server-spec.ts'
import { isPostgres } from './row-locks.ts'
import type { Db } from './store.ts'

/** What a server took of a host. */
export interface Allocation {
  serverId: string
  host: string
  resources: Resources
}

/**
 * Takes the resources of the first of these hosts that has enough left, and returns its name; null, with nothing
 * written, when none has. Whatever others claim at the same moment, no host is over-committed: the taking is one
 * conditional update.
 *
 * On PostgreSQL a host that another transaction is just claiming is passed over as long as there are others, so that
 * controllers that think alike do not queue behind each other.
 */
export async function claimOneOf(
  trx: Db,
  hosts: readonly string[],
  ask: Omit<Allocation, 'host'>,
  now: number,
): Promise<string | null> {
  if (hosts.length > 1 && isPostgres(trx)) {
    const host = await claimUncontended(trx, hosts, ask, now)
    if (host !== null) return host
  }
  for (const host of hosts) if (await claim(trx, { ...ask, host }, now)) return host
  return null
}

/** The first that fits among those whose rows nobody else holds. */
async function claimUncontended(
  trx: Db,
  hosts: readonly string[],
  { serverId, resources }: Omit<Allocation, 'host'>,
  now: number,
): Promise<string | null> {
  const { vcpus, memoryMiB, diskGiB } = resources
  const { rows } = await sql<{ host: string }>`/* often */
    with free as (
      select name from hosts
      where name = any(${hosts}::text[]) and ${fits(resources)}
      order by array_position(${hosts}::text[], name)
      limit 1 for update skip locked
    ), taken as (
      update hosts set used_vcpus = used_vcpus + ${vcpus}, used_memory_mib = used_memory_mib + ${memoryMiB},
        used_disk_gib = used_disk_gib + ${diskGiB}
      from free where hosts.name = free.name
      returning hosts.name
    )
    insert into allocations (server_id, host, vcpus, memory_mib, disk_gib, created_at)
    select ${serverId}, name, ${vcpus}, ${memoryMiB}, ${diskGiB}, ${now} from taken
    returning host`.execute(trx)
  return rows[0]?.host ?? null
}

async function claim(trx: Db, { serverId, host, resources }: Allocation, now: number): Promise<boolean> {
  const { vcpus, memoryMiB, diskGiB } = resources
  const taken = await sql`
    update hosts set used_vcpus = used_vcpus + ${vcpus}, used_memory_mib = used_memory_mib + ${memoryMiB},
      used_disk_gib = used_disk_gib + ${diskGiB}
    where name = ${host} and ${fits(resources)}`.execute(trx)
  if (taken.numAffectedRows !== 1n) return false
  await sql`
    insert into allocations (server_id, host, vcpus, memory_mib, disk_gib, created_at)
    values (${serverId}, ${host}, ${vcpus}, ${memoryMiB}, ${diskGiB}, ${now})`.execute(trx)
  return true
}

/** A host that has none of what is not asked for may be over-committed there. */
const fits = ({ vcpus, memoryMiB, diskGiB }: Resources): RawBuilder<boolean> => sql<boolean>`
  (${vcpus} = 0 or used_vcpus + ${vcpus} <= capacity_vcpus)
  and (${memoryMiB} = 0 or used_memory_mib + ${memoryMiB} <= capacity_memory_mib)
  and (${diskGiB} = 0 or used_disk_gib + ${diskGiB} <= capacity_disk_gib)`

/**
 * Gives back all that a server took, on whichever host, or on that host alone. Returns what that was; nothing left to
 * give is no error.
 */
export async function release(trx: Db, serverId: string, host?: string): Promise<Allocation[]> {
  let taken = trx.deleteFrom('allocations').where('server_id', '=', serverId)
  if (host !== undefined) taken = taken.where('host', '=', host)
  const rows = await taken.returningAll().execute()
  for (const row of rows) {
    await trx
      .updateTable('hosts')
      .set({
        used_vcpus: sql`used_vcpus - ${row.vcpus}`,
        used_memory_mib: sql`used_memory_mib - ${row.memory_mib}`,
        used_disk_gib: sql`used_disk_gib - ${row.disk_gib}`,
      })
      .where('name', '=', row.host)
      .execute()
  }
  return rows.map((row) => ({
    serverId: row.server_id,
    host: row.host,
    resources: { vcpus: row.vcpus, memoryMiB: row.memory_mib, diskGiB: row.disk_gib },
  }))
}

/** A host other than `host` on which the server has resources: it is on its way there, or has not left it for good. */
export async function otherHostOf(db: Db, serverId: string, host: string | null): Promise<string | null> {
  const row = await db
    .selectFrom('allocations')
    .select('host')
    .where('server_id', '=', serverId)
    .where('host', '<>', host ?? '')
    .executeTakeFirst()
  return row?.host ?? null
}

/**
 * Changes what a server has taken of a host, which must have enough left where that becomes more. False, with nothing
 * written, when it has not, or the server has taken nothing there.
 */
export async function resizeAllocation(trx: Db, { serverId, host, resources }: Allocation): Promise<boolean> {
  const row = await trx
    .selectFrom('allocations')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('host', '=', host)
    .executeTakeFirst()
  if (!row) return false
  const vcpus = resources.vcpus - row.vcpus
  const memory = resources.memoryMiB - row.memory_mib
  const disk = resources.diskGiB - row.disk_gib
  const taken = await sql`
    update hosts set used_vcpus = used_vcpus + ${vcpus}, used_memory_mib = used_memory_mib + ${memory},
      used_disk_gib = used_disk_gib + ${disk}
    where name = ${host}
      and (${vcpus} <= 0 or used_vcpus + ${vcpus} <= capacity_vcpus)
      and (${memory} <= 0 or used_memory_mib + ${memory} <= capacity_memory_mib)
      and (${disk} <= 0 or used_disk_gib + ${disk} <= capacity_disk_gib)`.execute(trx)
  if (taken.numAffectedRows !== 1n) return false
  await trx
    .updateTable('allocations')
    .set({ vcpus: resources.vcpus, memory_mib: resources.memoryMiB, disk_gib: resources.diskGiB })
    .where('server_id', '=', serverId)
    .where('host', '=', host)
    .execute()
  return true
}

/** The hosts that a server has taken something of. */
export async function hostsOfAllocations(db: Db, serverId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('allocations')
    .select('host')
    .where('server_id', '=', serverId)
    .orderBy('host')
    .execute()
  return rows.map(({ host }) => host)
}

/** What is taken of each of these hosts by its allocations; those of which nothing is taken are left out. */
export async function allocatedOn(db: Db, hosts: readonly string[]): Promise<Map<string, Resources>> {
  const rows = await db
    .selectFrom('allocations')
    .select((of) => [
      'host',
      of.fn.sum<number>('vcpus').as('vcpus'),
      of.fn.sum<number>('memory_mib').as('memoryMiB'),
      of.fn.sum<number>('disk_gib').as('diskGiB'),
    ])
    .where('host', 'in', hosts)
    .groupBy('host')
    .execute()
  return new Map(
    rows.map(({ host, vcpus, memoryMiB, diskGiB }) => [
      host,
      { vcpus: Number(vcpus), memoryMiB: Number(memoryMiB), diskGiB: Number(diskGiB) },
    ]),
  )
}
