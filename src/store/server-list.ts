import { sql, type Expression, type ExpressionBuilder, type Selectable, type SqlBool } from 'kysely'
import type { Server } from '../model/server.ts'
import type { StatusCondition } from '../model/server-state.ts'
import type { Schema, ServersTable } from './schema.ts'
import { serverFromRow } from './servers.ts'
import type { Db } from './store.ts'

/** All conditions hold at once; those left out do not count. */
export interface ServerFilter {
  /** Absent: servers of every project. */
  projectId?: string
  userIds?: string[]
  ids?: string[]
  hosts?: string[]
  imageIds?: string[]
  flavorIds?: string[]
  vmStates?: string[]
  /** null stands for "no task". */
  taskStates?: (string | null)[]
  /** Any of these; an empty list matches nothing. */
  statuses?: StatusCondition[]
  locked?: boolean
  /** `only`: deleted servers alone; `also`: with the others; absent: none. */
  deleted?: 'only' | 'also'
  /** Changed at or after, and at or before. */
  changedSince?: number
  changedBefore?: number
  allTags?: string[]
  anyTags?: string[]
  notAllTags?: string[]
  notAnyTags?: string[]
  /** Columns whose text must hold this text somewhere. */
  containing?: [ServerTextColumn, string][]
  /** A last test of each server that SQL cannot make; it costs reading all that the rest lets pass. */
  test?: (rows: ServerTexts[]) => boolean[]
}

export const serverTextColumns = [
  'name',
  'description',
  'hostname',
  'key_name',
  'availability_zone',
  'reservation_id',
  'root_device_name',
  'host',
  'locked_by',
  'access_ipv4',
  'access_ipv6',
] as const
export type ServerTextColumn = (typeof serverTextColumns)[number]

const testColumns = [
  ...serverTextColumns,
  'power_state',
  'progress',
  'launch_index',
  'config_drive',
  'disk_config',
  'created_at',
  'launched_at',
  'terminated_at',
] as const

/** The columns that `ServerFilter.test` sees. */
export type ServerTexts = Pick<Selectable<ServersTable>, (typeof testColumns)[number]>

export const serverSortColumns = [
  'access_ipv4',
  'access_ipv6',
  'availability_zone',
  'config_drive',
  'created_at',
  'description',
  'disk_config',
  'flavor_id',
  'host',
  'hostname',
  'id',
  'image_id',
  'key_name',
  'launch_index',
  'launched_at',
  'locked_by',
  'name',
  'power_state',
  'progress',
  'project_id',
  'reservation_id',
  'root_device_name',
  'task_state',
  'terminated_at',
  'updated_at',
  'user_id',
  'vm_state',
] as const
export type ServerSortColumn = (typeof serverSortColumns)[number]

export interface ServerPage {
  limit: number
  /** The last server of the page before. */
  marker?: Server
  /** A last sorting by time and number, newest first, makes the order total. */
  sort: { column: ServerSortColumn; direction: 'asc' | 'desc' }[]
}

/** One page of the servers that the filter lets pass. */
export async function listServers(db: Db, filter: ServerFilter, page: ServerPage): Promise<Server[]> {
  if (page.limit === 0) return []
  if (filter.test) {
    const found = await scan(db, filter, page)
    if (found.length === 0) return []
    // What passed the test is few pages at most; the rows come back in the order asked for.
    const rows = await ordered(db, page)
      .selectAll()
      .where(
        'number',
        'in',
        found.map((row) => row.number),
      )
      .execute()
    return rows.map(serverFromRow)
  }
  const rows = await filtered(db, filter, page).selectAll().limit(page.limit).execute()
  return rows.map(serverFromRow)
}

/** As `listServers`, with no more than what a short list shows. */
export async function listServerNames(
  db: Db,
  filter: ServerFilter,
  page: ServerPage,
): Promise<{ id: string; name: string }[]> {
  if (page.limit === 0) return []
  if (filter.test) return await scan(db, filter, page)
  return await filtered(db, filter, page).select(['id', 'name']).limit(page.limit).execute()
}

/** How many rows are read at once to be tested. */
const scanned = 1000

async function scan(
  db: Db,
  filter: ServerFilter,
  page: ServerPage,
): Promise<{ number: number; id: string; name: string }[]> {
  const found: { number: number; id: string; name: string }[] = []
  for (let offset = 0; ; offset += scanned) {
    const rows = await filtered(db, filter, page)
      .select(['number', 'id', ...testColumns])
      .limit(scanned)
      .offset(offset)
      .execute()
    const passed = filter.test!(rows)
    for (const [index, row] of rows.entries()) {
      if (!passed[index]) continue
      found.push({ number: row.number, id: row.id, name: row.name })
      if (found.length === page.limit) return found
    }
    if (rows.length < scanned) return found
  }
}

function filtered(db: Db, filter: ServerFilter, page: ServerPage) {
  const { marker } = page
  return ordered(db, page).where((eb) =>
    eb.and([...conditionsOf(eb, filter), ...(marker ? [afterMarker(eb, page.sort, marker)] : [])]),
  )
}

function ordered(db: Db, page: ServerPage) {
  let query = db.selectFrom('servers')
  for (const { column, direction } of page.sort) query = query.orderBy(sortExpression(column), direction)
  return query.orderBy('created_at', 'desc').orderBy('number', 'desc')
}

type ServerExpressions = ExpressionBuilder<Schema, 'servers'>
type Condition = Expression<SqlBool>

const never = sql<SqlBool>`1 = 0`

function conditionsOf(eb: ServerExpressions, filter: ServerFilter): Condition[] {
  const all: Condition[] = []
  const oneOf = (
    column: 'user_id' | 'id' | 'host' | 'image_id' | 'flavor_id' | 'vm_state',
    wanted: string[] | undefined,
  ): void => {
    if (wanted) all.push(wanted.length > 0 ? eb(column, 'in', wanted) : never)
  }
  if (filter.projectId !== undefined) all.push(eb('project_id', '=', filter.projectId))
  oneOf('user_id', filter.userIds)
  oneOf('id', filter.ids)
  oneOf('host', filter.hosts)
  oneOf('image_id', filter.imageIds)
  oneOf('flavor_id', filter.flavorIds)
  oneOf('vm_state', filter.vmStates)
  if (filter.taskStates) all.push(taskIn(eb, filter.taskStates))
  if (filter.statuses) all.push(eb.or(filter.statuses.map((condition) => statusIs(eb, condition))))
  if (filter.locked !== undefined) all.push(eb('locked_by', filter.locked ? 'is not' : 'is', null))
  if (filter.deleted === undefined) all.push(eb('deleted_at', 'is', null))
  else if (filter.deleted === 'only') all.push(eb('deleted_at', 'is not', null))
  if (filter.changedSince !== undefined) all.push(eb('updated_at', '>=', filter.changedSince))
  if (filter.changedBefore !== undefined) all.push(eb('updated_at', '<=', filter.changedBefore))
  for (const [column, text] of filter.containing ?? [])
    // Compares bytes on SQLite and PostgreSQL alike, and knows no wildcards.
    all.push(sql<SqlBool>`replace(${sql.ref(column)}, ${text}, '') <> ${sql.ref(column)}`)
  for (const tag of filter.allTags ?? []) all.push(hasTag(eb, [tag]))
  if (filter.anyTags) all.push(hasTag(eb, filter.anyTags))
  if (filter.notAllTags) all.push(eb.not(eb.and(filter.notAllTags.map((tag) => hasTag(eb, [tag])))))
  if (filter.notAnyTags) all.push(eb.not(hasTag(eb, filter.notAnyTags)))
  return all
}

function hasTag(eb: ServerExpressions, tags: string[]): Condition {
  return eb.exists(
    eb
      .selectFrom('server_tags')
      .select('tag')
      .whereRef('server_tags.server_id', '=', 'servers.id')
      .where('tag', 'in', tags),
  )
}

function taskIn(eb: ServerExpressions, tasks: readonly (string | null)[]): Condition {
  const named = tasks.filter((task) => task !== null)
  const alternatives: Condition[] = []
  if (named.length > 0) alternatives.push(eb('task_state', 'in', named))
  if (named.length < tasks.length) alternatives.push(eb('task_state', 'is', null))
  return eb.or(alternatives)
}

function statusIs(eb: ServerExpressions, { vm, only, except }: StatusCondition): Condition {
  const state = eb('vm_state', '=', vm)
  if (only) return eb.and([state, taskIn(eb, only)])
  if (except.length === 0) return state
  return eb.and([state, eb.or([eb('task_state', 'is', null), eb('task_state', 'not in', except)])])
}

const numbers: ReadonlySet<string> = new Set([
  'config_drive',
  'created_at',
  'launch_index',
  'launched_at',
  'power_state',
  'progress',
  'terminated_at',
  'updated_at',
] satisfies ServerSortColumn[])
const nullable: ReadonlySet<string> = new Set([
  'access_ipv4',
  'access_ipv6',
  'availability_zone',
  'description',
  'host',
  'image_id',
  'key_name',
  'launched_at',
  'locked_by',
  'root_device_name',
  'task_state',
  'terminated_at',
] satisfies ServerSortColumn[])

/** Missing values sort as the smallest. Other columns stand as they are, so that an index can serve. */
function sortExpression(column: ServerSortColumn): Expression<string | number> {
  if (!nullable.has(column)) return sql<string | number>`${sql.ref(column)}`
  return numbers.has(column)
    ? sql<number>`coalesce(${sql.ref(column)}, -1)`
    : sql<string>`coalesce(${sql.ref(column)}, '')`
}

/** Rows after the marker: further in the first column, or equal there and further in the second, and so on. */
function afterMarker(eb: ServerExpressions, sort: ServerPage['sort'], marker: Server): Condition {
  const alternatives: Condition[] = []
  const equal: Condition[] = []
  const steps = [
    ...sort.map(({ column, direction }) => ({
      expression: sortExpression(column),
      direction,
      at: markerValues[column](marker) ?? (numbers.has(column) ? -1 : ''),
    })),
    { expression: sql.ref<number>('created_at'), direction: 'desc', at: marker.createdAt },
    { expression: sql.ref<number>('number'), direction: 'desc', at: marker.number },
  ]
  for (const { expression, direction, at } of steps) {
    const further =
      direction === 'asc' ? sql<SqlBool>`${expression} > ${at}` : sql<SqlBool>`${expression} < ${at}`
    alternatives.push(eb.and([...equal, further]))
    equal.push(sql<SqlBool>`${expression} = ${at}`)
  }
  return eb.or(alternatives)
}

const markerValues: Record<ServerSortColumn, (server: Server) => string | number | null> = {
  access_ipv4: (server) => server.accessIpv4,
  access_ipv6: (server) => server.accessIpv6,
  availability_zone: (server) => server.availabilityZone,
  config_drive: (server) => (server.configDrive ? 1 : 0),
  created_at: (server) => server.createdAt,
  description: (server) => server.description,
  disk_config: (server) => server.diskConfig,
  flavor_id: (server) => server.flavor.id,
  host: (server) => server.host,
  hostname: (server) => server.hostname,
  id: (server) => server.id,
  image_id: (server) => server.image?.id ?? null,
  key_name: (server) => server.key?.name ?? null,
  launch_index: (server) => server.launchIndex,
  launched_at: (server) => server.launchedAt,
  locked_by: (server) => server.lockedBy,
  name: (server) => server.name,
  power_state: (server) => server.powerState,
  progress: (server) => server.progress,
  project_id: (server) => server.projectId,
  reservation_id: (server) => server.reservationId,
  root_device_name: (server) => server.rootDeviceName,
  task_state: (server) => server.taskState,
  terminated_at: (server) => server.terminatedAt,
  updated_at: (server) => server.updatedAt,
  user_id: (server) => server.userId,
  vm_state: (server) => server.vmState,
}
