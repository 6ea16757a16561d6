import { LodgeError } from '../../../base/errors.ts'
import { conditionsOfStatus } from '../../../model/server-state.ts'
import type { ServerFilter, ServerTextColumn, ServerTexts } from '../../../store/server-list.ts'
import { denied } from '../../common/policy.ts'
import type { ApiRequest } from '../../common/route.ts'
import { parseTime } from '../../common/time.ts'
import { parseBoolean, queryValue } from '../parameters.ts'
import { isPlainText, matchAll } from './name-pattern.ts'

type Asker = Pick<ApiRequest, 'query' | 'caller' | 'version'>

/**
 * The filters of a list request, by Nova's rules: a non-administrator's are those of a known set, the others are
 * dropped without a word; `status` may be repeated; times bring deleted servers in.
 * @throws LodgeError badRequest for values that make no sense, forbidden for what only administrators may ask
 */
export function listFilter(request: Asker): ServerFilter {
  const { caller, version } = request
  const value = (key: string): string | undefined =>
    caller.isAdmin || isOpenToAll(key, version) ? queryValue(request, key) : undefined
  const filter: ServerFilter = {}
  addScope(filter, request)
  addStates(filter, request, value)
  addTimesAndDeletion(filter, request, value)
  addTags(filter, request)

  const one = (key: string): string[] | undefined => {
    const text = value(key)
    return text === undefined ? undefined : [text]
  }
  filter.imageIds = one('image') ?? one('image_ref')
  filter.flavorIds = one('flavor')
  filter.userIds = one('user_id')
  filter.ids = one('uuid')
  filter.hosts = one('host')
  if (version >= 73 && value('locked') !== undefined)
    filter.locked = strictBoolean('locked', value('locked')!)
  // No server has an address yet, so no pattern for one matches; ip6 was not for everyone until 2.5.
  const byAddress = value('ip') ?? (caller.isAdmin || version >= 5 ? value('ip6') : undefined)
  if (byAddress !== undefined) filter.ids = []
  addPatterns(filter, value)
  return filter
}

/** What Nova lets everybody filter by, with the microversion from which on. */
const openFilters: Record<string, number> = {
  'changes-before': 66,
  'changes-since': 1,
  flavor: 1,
  image: 1,
  ip: 1,
  ip6: 5,
  name: 1,
  reservation_id: 1,
  status: 1,
  locked: 73,
  availability_zone: 83,
  config_drive: 83,
  created_at: 83,
  key_name: 83,
  launched_at: 83,
  power_state: 83,
  progress: 83,
  task_state: 83,
  terminated_at: 83,
  user_id: 83,
  vm_state: 83,
  hostname: 90,
}

const isOpenToAll = (key: string, version: number): boolean =>
  Object.hasOwn(openFilters, key) && version >= openFilters[key]!

/** The caller's project, unless an administrator asks for all or for another one among all. */
function addScope(filter: ServerFilter, request: Asker): void {
  const { caller } = request
  const asked = queryValue(request, 'all_tenants')
  const all = asked !== undefined && (asked === '' || strictBoolean('all_tenants', asked))
  if (!all) {
    filter.projectId = caller.projectId ?? ''
    return
  }
  if (!caller.isAdmin) throw denied('servers:index:get_all_tenants')
  const project = queryValue(request, 'project_id') ?? queryValue(request, 'tenant_id')
  if (project !== undefined) filter.projectId = project
}

function addStates(
  filter: ServerFilter,
  { query, caller, version }: Asker,
  value: (key: string) => string | undefined,
): void {
  const words = query['status'] ?? []
  if (words.length > 0) {
    if (words.some((word) => word.toLowerCase() === 'deleted')) {
      if (!caller.isAdmin) throw new LodgeError('forbidden', 'Only administrators may list deleted instances')
      filter.deleted = 'only'
    }
    filter.statuses = words.flatMap(conditionsOfStatus)
    if (filter.statuses.length === 0 && version >= 38)
      throw new LodgeError('badRequest', 'Invalid status value')
  }
  const vmState = value('vm_state')
  if (vmState !== undefined) filter.vmStates = [vmState]
  const taskState = value('task_state')
  if (taskState !== undefined) filter.taskStates = [/^(none|null)?$/i.test(taskState) ? null : taskState]
}

function addTimesAndDeletion(
  filter: ServerFilter,
  { caller }: Asker,
  value: (key: string) => string | undefined,
): void {
  const since = value('changes-since')
  const before = value('changes-before')
  if (since !== undefined) filter.changedSince = timeOf('changes-since', since)
  if (before !== undefined) filter.changedBefore = timeOf('changes-before', before)
  if ((filter.changedSince ?? -Infinity) > (filter.changedBefore ?? Infinity))
    throw new LodgeError(
      'badRequest',
      'The value of changes-since must be less than or equal to changes-before.',
    )
  const deleted = value('deleted')
  if (deleted !== undefined && caller.isAdmin && parseBoolean(deleted) !== undefined) {
    if (parseBoolean(deleted) === true) filter.deleted = 'only'
  } else if (since !== undefined || before !== undefined) {
    filter.deleted ??= 'also'
  }
}

function addTags(filter: ServerFilter, request: Asker): void {
  if (request.version < 26) return
  const list = (key: string): string[] | undefined => queryValue(request, key)?.split(',')
  filter.allTags = list('tags')
  filter.anyTags = list('tags-any')
  filter.notAllTags = list('not-tags')
  filter.notAnyTags = list('not-tags-any')
}

/** Filters by regular expression on a column's text. */
const patternColumns: Record<string, ServerTextColumn> = {
  name: 'name',
  display_name: 'name',
  description: 'description',
  display_description: 'description',
  hostname: 'hostname',
  key_name: 'key_name',
  availability_zone: 'availability_zone',
  reservation_id: 'reservation_id',
  root_device_name: 'root_device_name',
  node: 'host',
  locked_by: 'locked_by',
  access_ip_v4: 'access_ipv4',
  access_ip_v6: 'access_ipv6',
}

/** Filters by regular expression on what is no text in our table. */
const otherPatterns: Record<string, (row: ServerTexts) => string> = {
  power_state: (row) => String(row.power_state),
  progress: (row) => String(row.progress),
  launch_index: (row) => String(row.launch_index),
  config_drive: (row) => (row.config_drive === 1 ? 'True' : ''),
  auto_disk_config: (row) => (row.disk_config === 'AUTO' ? '1' : '0'),
  created_at: (row) => sqlTime(row.created_at),
  launched_at: (row) => sqlTime(row.launched_at),
  terminated_at: (row) => sqlTime(row.terminated_at),
  kernel_id: () => '',
  ramdisk_id: () => '',
}

function addPatterns(filter: ServerFilter, value: (key: string) => string | undefined): void {
  const tests: { pattern: string; text: (row: ServerTexts) => string }[] = []
  for (const [key, column] of Object.entries(patternColumns)) {
    const pattern = value(key)
    if (pattern === undefined || pattern === '') continue
    if (isPlainText(pattern)) (filter.containing ??= []).push([column, pattern])
    else tests.push({ pattern, text: (row) => row[column] ?? '' })
  }
  for (const [key, text] of Object.entries(otherPatterns)) {
    const pattern = value(key)
    if (pattern !== undefined && pattern !== '') tests.push({ pattern, text })
  }
  if (tests.length === 0) return
  const patterns = tests.map(({ pattern }) => pattern)
  filter.test = (rows) =>
    matchAll(
      patterns,
      rows.map((row) => tests.map(({ text }) => text(row))),
    )
}

/** As Nova's database shows a time. */
const sqlTime = (ms: number | null): string =>
  ms === null ? '' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

function timeOf(key: string, text: string): number {
  const ms = parseTime(text)
  if (ms === undefined) throw new LodgeError('badRequest', `Invalid ${key} value`)
  return ms
}

function strictBoolean(key: string, text: string): boolean {
  const value = parseBoolean(text)
  if (value === undefined)
    throw new LodgeError('badRequest', `Invalid value '${text.slice(0, 100)}' for ${key}: use true or false`)
  return value
}
