import { sql } from 'kysely'
import type { HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import type { Db } from './store.ts'

/** What the scheduler must know of a host, without its description: cheap to read for thousands of them. */
export interface SchedulableHost {
  /** Hosts are read in the order of their numbers. */
  number: number
  name: string
  maintenance: boolean
  capacity: Resources
  used: Resources
  disabled: boolean
  forcedDown: boolean
  lastSeenAt: number
}

/** Hosts by their numbers: those after `after`, up to and with `upTo`. */
export interface HostRange {
  after: number
  upTo: number
}

/** Hosts with their service: all, a range, some by name, or those that an operator changed since a time or that are new. */
export async function listSchedulableHosts(
  db: Db,
  which: HostRange | { names: readonly string[] } | { changedSince: number } | 'all' = 'all',
): Promise<SchedulableHost[]> {
  let query = db
    .selectFrom('hosts')
    .innerJoin('services', (join) =>
      join.onRef('services.host', '=', 'hosts.name').on('services.binary', '=', 'nova-compute'),
    )
    .select([
      'hosts.number',
      'hosts.name',
      'maintenance',
      'capacity_vcpus',
      'capacity_memory_mib',
      'capacity_disk_gib',
      'used_vcpus',
      'used_memory_mib',
      'used_disk_gib',
      'disabled',
      'forced_down',
      'last_seen_at',
    ])
  if (which === 'all') query = query.orderBy('hosts.number')
  else if ('names' in which) query = query.where('hosts.name', 'in', which.names)
  else if ('changedSince' in which)
    query = query.where('services.updated_at', '>=', which.changedSince).orderBy('hosts.number')
  else
    query = query
      .where('hosts.number', '>', which.after)
      .where('hosts.number', '<=', which.upTo)
      .orderBy('hosts.number')
  const rows = await query.execute()
  return rows.map((row) => ({
    number: row.number,
    name: row.name,
    maintenance: row.maintenance === 1,
    capacity: {
      vcpus: row.capacity_vcpus,
      memoryMiB: row.capacity_memory_mib,
      diskGiB: row.capacity_disk_gib,
    },
    used: { vcpus: row.used_vcpus, memoryMiB: row.used_memory_mib, diskGiB: row.used_disk_gib },
    disabled: row.disabled === 1,
    forcedDown: row.forced_down === 1,
    lastSeenAt: row.last_seen_at,
  }))
}

/** What the hosts' agents said of them, by name. */
export async function describeHosts(
  db: Db,
  which: HostRange | { names: readonly string[] },
): Promise<Map<string, HostDescription>> {
  let query = db.selectFrom('hosts').select(['name', 'description_json'])
  if ('names' in which) query = query.where('name', 'in', which.names)
  else query = query.where('number', '>', which.after).where('number', '<=', which.upTo)
  const rows = await query.execute()
  return new Map(rows.map((row) => [row.name, JSON.parse(row.description_json) as HostDescription]))
}

/** How far operators and newcomers have changed what is known of hosts; the same words while nothing has changed. */
export interface FleetVersion {
  /** When a service was changed last, milliseconds since 1970. */
  servicesAt: number
  services: string
  aggregates: string
}

/**
 * One look at the ends of indexes, however many hosts there are. That a service was removed does not show: with its
 * host's row nothing can be claimed there any more.
 */
export async function fleetVersion(db: Db): Promise<FleetVersion> {
  const { rows } = await sql<Record<string, number | null>>`/* often */
    select (select max(updated_at) from services) as services_at,
      (select max(number) from services) as newest_service,
      (select max(coalesce(updated_at, created_at)) from aggregates) as aggregates_at,
      (select max(number) from aggregates) as newest_aggregate,
      (select count(*) from aggregates) as aggregates`.execute(db)
  const { services_at, newest_service, aggregates_at, newest_aggregate, aggregates } = rows[0]!
  return {
    servicesAt: services_at ?? 0,
    services: `${services_at}/${newest_service}`,
    aggregates: `${aggregates_at}/${newest_aggregate}/${aggregates}`,
  }
}
