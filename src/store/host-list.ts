import type { HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import type { HostRange } from './schedulable-hosts.ts'
import type { Service } from './services.ts'
import type { Db } from './store.ts'

/** A host as administrators see it: with its nova-compute service. */
export interface Hypervisor {
  /** The integer id of old microversions. */
  number: number
  id: string
  name: string
  description: HostDescription
  /** What the servers placed on it take. */
  used: Resources
  service: Pick<Service, 'number' | 'id' | 'disabled' | 'disabledReason' | 'forcedDown' | 'lastSeenAt'>
}

/** Hypervisors in order of their numbers; `after` is the number of the one before the page. */
export async function listHypervisors(
  db: Db,
  page: { after?: number; limit?: number } = {},
): Promise<Hypervisor[]> {
  let query = hypervisors(db).orderBy('hosts.number')
  if (page.after !== undefined) query = query.where('hosts.number', '>', page.after)
  if (page.limit !== undefined) query = query.limit(page.limit)
  return (await query.execute()).map(hypervisorFromRow)
}

/** One hypervisor, by its old or its new id or by its host's name; undefined if there is none. */
export async function getHypervisor(
  db: Db,
  by: { number: number } | { id: string } | { name: string },
): Promise<Hypervisor | undefined> {
  let query = hypervisors(db)
  if ('number' in by) query = query.where('hosts.number', '=', by.number)
  else if ('id' in by) query = query.where('hosts.id', '=', by.id)
  else query = query.where('hosts.name', '=', by.name)
  const row = await query.executeTakeFirst()
  return row && hypervisorFromRow(row)
}

/** The servers on each of these hosts, without deleted ones; hosts without servers are left out. */
export async function serversOnHosts(
  db: Db,
  hosts: readonly string[],
): Promise<Map<string, { id: string; name: string }[]>> {
  const found = new Map<string, { id: string; name: string }[]>()
  if (hosts.length === 0) return found
  const rows = await db
    .selectFrom('servers')
    .select(['host', 'id', 'name'])
    .where('host', 'in', hosts)
    .where('deleted_at', 'is', null)
    .orderBy('number')
    .execute()
  for (const { host, id, name } of rows) {
    if (host === null) continue
    const servers = found.get(host)
    if (servers) servers.push({ id, name })
    else found.set(host, [{ id, name }])
  }
  return found
}

/** The addresses that these hosts have told, by their names. */
export async function hostAddresses(db: Db, names: readonly string[]): Promise<Map<string, string>> {
  if (names.length === 0) return new Map()
  const rows = await db
    .selectFrom('hosts')
    .select(['name', 'description_json'])
    .where('name', 'in', names)
    .execute()
  return new Map(rows.map((row) => [row.name, (JSON.parse(row.description_json) as HostDescription).hostIp]))
}

/** How many servers a host has, and on how many of them something is being done. */
export interface Workload {
  servers: number
  busy: number
}

/** Tasks that keep a host's disk busy; Nova's io operations. */
const ioTasks = [
  'networking',
  'block_device_mapping',
  'spawning',
  'resize_prep',
  'resize_migrating',
  'resize_migrated',
  'resize_finish',
  'rebuilding',
  'rebuild_block_device_mapping',
  'rebuild_spawning',
  'image_snapshot',
  'image_pending_upload',
  'image_uploading',
  'migrating',
  'unshelving',
  'rescuing',
]

/** What a host's servers are to the scheduler. */
export interface HostLoad {
  servers: number
  /** Those with which something is done that the host's disk feels. */
  ioOps: number
}

/** The load of each of these hosts. */
export async function loadOfHosts(db: Db, { after, upTo }: HostRange): Promise<Map<string, HostLoad>> {
  const rows = await db
    .selectFrom('hosts')
    .leftJoin('servers', (join) =>
      join.onRef('servers.host', '=', 'hosts.name').on('servers.deleted_at', 'is', null),
    )
    .where('hosts.number', '>', after)
    .where('hosts.number', '<=', upTo)
    .select((of) => [
      'hosts.name',
      of.fn.count<number>('servers.id').as('servers'),
      of.fn.sum<number>(of.case().when('task_state', 'in', ioTasks).then(1).else(0).end()).as('ioOps'),
    ])
    .groupBy('hosts.name')
    .execute()
  return new Map(rows.map((row) => [row.name, { servers: Number(row.servers), ioOps: Number(row.ioOps) }]))
}

/** Where these servers are; those without a host are left out. */
export async function hostsOfServers(db: Db, serverIds: readonly string[]): Promise<Set<string>> {
  if (serverIds.length === 0) return new Set()
  const rows = await db
    .selectFrom('servers')
    .select('host')
    .where('id', 'in', serverIds)
    .where('deleted_at', 'is', null)
    .where('host', 'is not', null)
    .execute()
  return new Set(rows.map(({ host }) => host ?? ''))
}

/** The image properties of the servers on each host. */
export async function imagePropertiesOnHosts(db: Db): Promise<Map<string, Record<string, string>[]>> {
  const rows = await db
    .selectFrom('servers')
    .select(['host', 'image_json'])
    .where('host', 'is not', null)
    .where('deleted_at', 'is', null)
    .execute()
  const byHost = new Map<string, Record<string, string>[]>()
  for (const { host, image_json } of rows) {
    const image = JSON.parse(image_json) as { properties: Record<string, string> } | null
    if (!image) continue
    const known = byHost.get(host ?? '')
    if (known) known.push(image.properties)
    else byHost.set(host ?? '', [image.properties])
  }
  return byHost
}

/** The workload of each host that has any. */
export async function workloadOfHosts(db: Db, hosts: readonly string[]): Promise<Map<string, Workload>> {
  if (hosts.length === 0) return new Map()
  const rows = await db
    .selectFrom('servers')
    .select((of) => [
      'host',
      of.fn.countAll<number>().as('servers'),
      of.fn.count<number>('task_state').as('busy'),
    ])
    .where('host', 'in', hosts)
    .where('deleted_at', 'is', null)
    .groupBy('host')
    .execute()
  return new Map(
    rows.map((row) => [row.host ?? '', { servers: Number(row.servers), busy: Number(row.busy) }]),
  )
}

function hypervisors(db: Db) {
  return db
    .selectFrom('hosts')
    .innerJoin('services', (join) =>
      join.onRef('services.host', '=', 'hosts.name').on('services.binary', '=', 'nova-compute'),
    )
    .select([
      'hosts.number',
      'hosts.id',
      'hosts.name',
      'description_json',
      'used_vcpus',
      'used_memory_mib',
      'used_disk_gib',
      'services.number as service_number',
      'services.id as service_id',
      'disabled',
      'disabled_reason',
      'forced_down',
      'last_seen_at',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof hypervisors>['execute']>>[number]

const hypervisorFromRow = (row: Row): Hypervisor => ({
  number: row.number,
  id: row.id,
  name: row.name,
  description: JSON.parse(row.description_json) as HostDescription,
  used: { vcpus: row.used_vcpus, memoryMiB: row.used_memory_mib, diskGiB: row.used_disk_gib },
  service: {
    number: row.service_number,
    id: row.service_id,
    disabled: row.disabled === 1,
    disabledReason: row.disabled_reason,
    forcedDown: row.forced_down === 1,
    lastSeenAt: row.last_seen_at,
  },
})
