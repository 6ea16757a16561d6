import { sql, type Insertable, type Selectable, type Updateable } from 'kysely'
import type { Server, ServerKey, ServerResize } from '../model/server.ts'
import type { ServerFlavor, ServerImage } from '../model/server-spec.ts'
import type { PowerState, TaskState, VmState } from '../model/server-state.ts'
import { locksRows } from './row-locks.ts'
import type { ServersTable } from './schema.ts'
import { leaveGroups } from './server-groups.ts'
import type { Db } from './store.ts'

/** What a new server must have; everything else starts as a server that waits to be placed. */
export type NewServer = Pick<
  Server,
  | 'id'
  | 'projectId'
  | 'userId'
  | 'name'
  | 'hostname'
  | 'availabilityZone'
  | 'flavor'
  | 'image'
  | 'key'
  | 'userData'
  | 'configDrive'
  | 'metadata'
  | 'schedulerHints'
  | 'diskConfig'
  | 'reservationId'
  | 'launchIndex'
  | 'createdAt'
> &
  Partial<Pick<Server, 'description' | 'accessIpv4' | 'accessIpv6' | 'vmState' | 'taskState'>>

/** Columns that may change in a server's life. */
export type ServerPatch = Partial<
  Omit<Server, 'number' | 'id' | 'projectId' | 'userId' | 'createdAt' | 'updatedAt' | 'reservationId'>
> & {
  /** The flavor that a resize or its revert is under way to: quotas count the larger until the task is another. */
  nextFlavor?: ServerFlavor
}

/** States in which a change is still wanted. An absent list allows any; null stands for "no task". */
export interface ServerExpectation {
  expectVm?: readonly VmState[]
  expectTask?: readonly (TaskState | null)[]
}

/** Inserts a server, by default building and waiting to be scheduled, and returns it with its number. */
export async function insertServer(db: Db, server: NewServer): Promise<Server> {
  const row: Insertable<ServersTable> = {
    id: server.id,
    project_id: server.projectId,
    user_id: server.userId,
    name: server.name,
    description: server.description ?? null,
    hostname: server.hostname,
    vm_state: server.vmState ?? 'building',
    task_state: server.taskState === undefined ? 'scheduling' : server.taskState,
    power_state: 0,
    host: null,
    availability_zone: server.availabilityZone,
    flavor_id: server.flavor.id,
    flavor_json: JSON.stringify(server.flavor),
    vcpus: server.flavor.vcpus,
    memory_mib: server.flavor.memoryMiB,
    image_id: server.image?.id ?? null,
    image_json: JSON.stringify(server.image),
    key_name: server.key?.name ?? null,
    key_json: JSON.stringify(server.key),
    user_data: server.userData,
    config_drive: server.configDrive ? 1 : 0,
    metadata_json: JSON.stringify(server.metadata),
    scheduler_hints_json: JSON.stringify(server.schedulerHints),
    disk_config: server.diskConfig,
    access_ipv4: server.accessIpv4 ?? null,
    access_ipv6: server.accessIpv6 ?? null,
    reservation_id: server.reservationId,
    launch_index: server.launchIndex,
    root_device_name: null,
    machine_type: null,
    locked_by: null,
    locked_reason: null,
    progress: 0,
    created_at: server.createdAt,
    updated_at: server.createdAt,
    launched_at: null,
    terminated_at: null,
    deleted_at: null,
  }
  const { number } = await db.insertInto('servers').values(row).returning('number').executeTakeFirstOrThrow()
  return serverFromRow({ ...row, number } as Selectable<ServersTable>)
}

/**
 * One server, or undefined when there is none of that id (or it is deleted, unless `deleted` includes those). Read in a
 * transaction it stays as it is until that ends.
 */
export async function getServer(
  db: Db,
  id: string,
  options: { deleted?: boolean } = {},
): Promise<Server | undefined> {
  let query = db.selectFrom('servers').selectAll().where('id', '=', id)
  if (!options.deleted) query = query.where('deleted_at', 'is', null)
  if (locksRows(db)) query = query.forUpdate()
  const row = await query.executeTakeFirst()
  return row && serverFromRow(row)
}

/** The servers of these ids, deleted ones included, in no particular order. */
export async function getServers(db: Db, ids: readonly string[]): Promise<Server[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('servers').selectAll().where('id', 'in', ids).execute()
  return rows.map(serverFromRow)
}

/** The servers that are on a host by the store's word, without deleted ones. */
export async function getServersOfHost(db: Db, host: string): Promise<Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('host', '=', host)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(serverFromRow)
}

/** Which of these hosts have any server that is not deleted. */
export async function hostsOfAnyServer(db: Db, hosts: readonly string[]): Promise<string[]> {
  if (hosts.length === 0) return []
  const rows = await db
    .selectFrom('servers')
    .select('host')
    .distinct()
    .where('host', 'in', hosts)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(({ host }) => host ?? '')
}

/** Servers without a task that have a resize which is neither confirmed nor reverted. */
export async function serversWithResize(db: Db): Promise<Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('resize_json', 'is not', null)
    .where('task_state', 'is', null)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(serverFromRow)
}

/** Changes a server whatever its state. False when there is no such server. */
export async function updateServer(db: Db, id: string, patch: ServerPatch, now: number): Promise<boolean> {
  return compareAndSetTask(db, id, {}, patch, now)
}

/**
 * Changes a server that is not deleted if it still is in one of the expected states; false when it is not, so that
 * of two racing requests only one wins. As Nova's save with `expected_task_state`.
 */
export async function compareAndSetTask(
  db: Db,
  id: string,
  expected: ServerExpectation,
  patch: ServerPatch,
  now: number,
): Promise<boolean> {
  let query = db
    .updateTable('servers')
    .set({ ...columnsOf(patch), updated_at: now })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
  if (expected.expectVm) query = query.where('vm_state', 'in', expected.expectVm)
  const tasks = expected.expectTask
  if (tasks) {
    const named = tasks.filter((task) => task !== null)
    const none = tasks.includes(null) ? sql<boolean>`task_state is null` : sql<boolean>`1 = 0`
    query = query.where((where) =>
      named.length > 0 ? where.or([where('task_state', 'in', named), none]) : none,
    )
  }
  const result = await query.executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/**
 * Ends a server's life: the record stays, marked as deleted, with no task and no host's resources of its own. Tags
 * and metadata stay readable, as in Nova; its server group no longer has it.
 */
export async function markServerDeleted(db: Db, id: string, now: number): Promise<void> {
  await leaveGroups(db, id)
  await updateServer(
    db,
    id,
    {
      vmState: 'deleted',
      taskState: null,
      powerState: 0,
      progress: 0,
      terminatedAt: now,
      deletedAt: now,
    },
    now,
  )
}

/** A row of `servers` as a record; shared with the files that select rows in other ways. */
export function serverFromRow(row: Selectable<ServersTable>): Server {
  return {
    number: row.number,
    id: row.id,
    projectId: row.project_id,
    userId: row.user_id,
    name: row.name,
    description: row.description,
    hostname: row.hostname,
    vmState: row.vm_state as VmState,
    taskState: row.task_state as TaskState | null,
    powerState: row.power_state as PowerState,
    host: row.host,
    availabilityZone: row.availability_zone,
    flavor: JSON.parse(row.flavor_json) as ServerFlavor,
    oldFlavor: row.old_flavor_json ? (JSON.parse(row.old_flavor_json) as ServerFlavor) : null,
    resize: row.resize_json ? (JSON.parse(row.resize_json) as ServerResize) : null,
    image: JSON.parse(row.image_json) as ServerImage | null,
    key: row.key_name === null ? null : (JSON.parse(row.key_json) as ServerKey | null),
    userData: row.user_data,
    configDrive: row.config_drive === 1,
    metadata: JSON.parse(row.metadata_json) as Record<string, string>,
    schedulerHints: JSON.parse(row.scheduler_hints_json) as Record<string, unknown>,
    diskConfig: row.disk_config,
    accessIpv4: row.access_ipv4,
    accessIpv6: row.access_ipv6,
    reservationId: row.reservation_id,
    launchIndex: row.launch_index,
    rootDeviceName: row.root_device_name,
    machineType: row.machine_type,
    lockedBy: row.locked_by,
    lockedReason: row.locked_reason,
    progress: row.progress,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    launchedAt: row.launched_at,
    terminatedAt: row.terminated_at,
    deletedAt: row.deleted_at,
  }
}

/** On its way to another size. */
const tasksOfResize: ReadonlySet<TaskState> = new Set([
  'resize_prep',
  'resize_migrating',
  'resize_migrated',
  'resize_finish',
  'resize_reverting',
])

const columns: { [K in keyof ServerPatch]-?: (value: never) => Updateable<ServersTable> } = {
  name: (value: string) => ({ name: value }),
  description: (value: string | null) => ({ description: value }),
  hostname: (value: string) => ({ hostname: value }),
  vmState: (value: VmState) => ({ vm_state: value }),
  taskState: (value: TaskState | null) => ({
    task_state: value,
    ...(value !== null && tasksOfResize.has(value) ? {} : { next_vcpus: null, next_memory_mib: null }),
  }),
  powerState: (value: PowerState) => ({ power_state: value }),
  host: (value: string | null) => ({ host: value }),
  availabilityZone: (value: string | null) => ({ availability_zone: value }),
  flavor: (value: ServerFlavor) => ({
    flavor_id: value.id,
    flavor_json: JSON.stringify(value),
    vcpus: value.vcpus,
    memory_mib: value.memoryMiB,
  }),
  nextFlavor: (value: ServerFlavor) => ({ next_vcpus: value.vcpus, next_memory_mib: value.memoryMiB }),
  oldFlavor: (value: ServerFlavor | null) => ({ old_flavor_json: value && JSON.stringify(value) }),
  resize: (value: ServerResize | null) => ({ resize_json: value && JSON.stringify(value) }),
  image: (value: ServerImage | null) => ({
    image_id: value?.id ?? null,
    image_json: JSON.stringify(value),
  }),
  key: (value: ServerKey | null) => ({ key_name: value?.name ?? null, key_json: JSON.stringify(value) }),
  userData: (value: string | null) => ({ user_data: value }),
  configDrive: (value: boolean) => ({ config_drive: value ? 1 : 0 }),
  metadata: (value: Record<string, string>) => ({ metadata_json: JSON.stringify(value) }),
  schedulerHints: (value: Record<string, unknown>) => ({ scheduler_hints_json: JSON.stringify(value) }),
  diskConfig: (value: 'AUTO' | 'MANUAL') => ({ disk_config: value }),
  accessIpv4: (value: string | null) => ({ access_ipv4: value }),
  accessIpv6: (value: string | null) => ({ access_ipv6: value }),
  launchIndex: (value: number) => ({ launch_index: value }),
  rootDeviceName: (value: string | null) => ({ root_device_name: value }),
  machineType: (value: string | null) => ({ machine_type: value }),
  lockedBy: (value: 'owner' | 'admin' | null) => ({ locked_by: value }),
  lockedReason: (value: string | null) => ({ locked_reason: value }),
  progress: (value: number) => ({ progress: value }),
  launchedAt: (value: number | null) => ({ launched_at: value }),
  terminatedAt: (value: number | null) => ({ terminated_at: value }),
  deletedAt: (value: number | null) => ({ deleted_at: value }),
}

function columnsOf(patch: ServerPatch): Updateable<ServersTable> {
  const set: Updateable<ServersTable> = {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue
    Object.assign(set, columns[key as keyof ServerPatch](value as never))
  }
  return set
}
