import { sql } from 'kysely'
import type { Resources } from '../model/server-spec.ts'
import type { Db } from './store.ts'

/** What a server took of a host. */
export interface Allocation {
  serverId: string
  host: string
  resources: Resources
}

/**
 * Takes a host's resources for a server: one conditional update, so that racing claims never over-commit the host.
 * False, with nothing written, when the host has not enough left (or is not there).
 */
export async function claim(trx: Db, allocation: Allocation, now: number): Promise<boolean> {
  const { vcpus, memoryMiB, diskGiB } = allocation.resources
  const taken = await sql`
    update hosts set used_vcpus = used_vcpus + ${vcpus}, used_memory_mib = used_memory_mib + ${memoryMiB},
      used_disk_gib = used_disk_gib + ${diskGiB}
    where name = ${allocation.host}
      and (${vcpus} = 0 or used_vcpus + ${vcpus} <= capacity_vcpus)
      and (${memoryMiB} = 0 or used_memory_mib + ${memoryMiB} <= capacity_memory_mib)
      and (${diskGiB} = 0 or used_disk_gib + ${diskGiB} <= capacity_disk_gib)`.execute(trx)
  if (taken.numAffectedRows !== 1n) return false
  await trx
    .insertInto('allocations')
    .values({
      server_id: allocation.serverId,
      host: allocation.host,
      vcpus,
      memory_mib: memoryMiB,
      disk_gib: diskGiB,
      created_at: now,
    })
    .execute()
  return true
}

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

/** What is taken of a host by its allocations. */
export async function allocatedOn(db: Db, host: string): Promise<Resources> {
  const row = await db
    .selectFrom('allocations')
    .select([
      sql<number>`coalesce(sum(vcpus), 0)`.as('vcpus'),
      sql<number>`coalesce(sum(memory_mib), 0)`.as('memoryMiB'),
      sql<number>`coalesce(sum(disk_gib), 0)`.as('diskGiB'),
    ])
    .where('host', '=', host)
    .executeTakeFirstOrThrow()
  return { vcpus: Number(row.vcpus), memoryMiB: Number(row.memoryMiB), diskGiB: Number(row.diskGiB) }
}
