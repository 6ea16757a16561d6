import { LodgeError } from '../../../base/errors.ts'
import {
  listServerNames,
  listServers,
  type ServerPage,
  type ServerSortColumn,
} from '../../../store/server-list.ts'
import { getServer } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import { nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiReply, ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { isVisible } from './find-server.ts'
import { listFilter } from './list-filter.ts'
import { listSchemas } from './list-schema.ts'
import { serverSummary } from './server-view.ts'
import { viewServers } from './surroundings.ts'

/** `GET /servers` and `GET /servers/detail`: newest first unless sorted otherwise. */
export const listServersRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/servers',
    policy: 'servers:index',
    role: 'reader',
    success: 200,
    query: listSchemas,
    summary: 'Lists servers, short form',
    handler: async (request) => {
      const { db } = services.store
      const page = await pageFor(services, db, request)
      const servers = await listServerNames(db, listFilter(request), page)
      const views = servers.map((server) => serverSummary(server, request))
      return listReply(request, '/servers', page, servers, views)
    },
  },
  {
    method: 'GET',
    path: '/servers/detail',
    policy: 'servers:detail',
    role: 'reader',
    success: 200,
    query: listSchemas,
    summary: 'Lists servers, full form',
    handler: async (request) => {
      const { db } = services.store
      const page = await pageFor(services, db, request)
      const servers = await listServers(db, listFilter(request), page)
      const views = await viewServers(services, db, servers, request, 'detail')
      return listReply(request, '/servers/detail', page, servers, views)
    },
  },
]

function listReply(
  request: ApiRequest,
  path: string,
  page: ServerPage,
  servers: readonly { id: string }[],
  views: object[],
): ApiReply {
  const next = nextLinks(
    request,
    path,
    page.limit,
    servers.map(({ id }) => id),
  )
  return { body: { servers: views, ...(next.length > 0 ? { servers_links: next } : {}) } }
}

async function pageFor(services: ApiServices, db: Db, request: ApiRequest): Promise<ServerPage> {
  const { limit, marker } = pageOf(request, services.config)
  const sort = sortOf(request)
  if (marker === null) return { limit, sort }
  const server = await getServer(db, marker, { deleted: true })
  if (!server || !isVisible(server, request.caller))
    throw new LodgeError('badRequest', `marker [${marker.slice(0, 255)}] not found`)
  return { limit, sort, marker: server }
}

/** The API's sort keys; others that old microversions let through sort nothing. */
const sortColumns: Record<string, ServerSortColumn> = {
  access_ip_v4: 'access_ipv4',
  access_ip_v6: 'access_ipv6',
  auto_disk_config: 'disk_config',
  availability_zone: 'availability_zone',
  config_drive: 'config_drive',
  created_at: 'created_at',
  display_description: 'description',
  display_name: 'name',
  host: 'host',
  hostname: 'hostname',
  image_ref: 'image_id',
  instance_type_id: 'flavor_id',
  key_name: 'key_name',
  launch_index: 'launch_index',
  launched_at: 'launched_at',
  locked: 'locked_by',
  locked_by: 'locked_by',
  node: 'host',
  power_state: 'power_state',
  progress: 'progress',
  project_id: 'project_id',
  reservation_id: 'reservation_id',
  root_device_name: 'root_device_name',
  task_state: 'task_state',
  terminated_at: 'terminated_at',
  updated_at: 'updated_at',
  user_id: 'user_id',
  uuid: 'id',
  vm_state: 'vm_state',
}

const sortedByAdministratorsOnly: ReadonlySet<string> = new Set(['host', 'node'])

/** `sort_key` and `sort_dir` come in pairs; a key without a direction takes the last one given. */
function sortOf(request: ApiRequest): ServerPage['sort'] {
  const directions = request.query['sort_dir'] ?? []
  const unknown = directions.find((direction) => direction !== 'asc' && direction !== 'desc')
  if (unknown !== undefined)
    throw new LodgeError('badRequest', 'Unknown sort direction, must be one of: asc, desc')
  const sort: ServerPage['sort'] = []
  for (const [index, key] of (request.query['sort_key'] ?? []).entries()) {
    if (sortedByAdministratorsOnly.has(key) && !request.caller.isAdmin)
      throw new LodgeError('forbidden', `Only administrators can sort servers by ${key}`)
    const column = sortColumns[key]
    const direction = (directions[index] ?? directions.at(-1)) === 'asc' ? 'asc' : 'desc'
    if (column) sort.push({ column, direction })
  }
  if (sort.length === 0 && directions[0] === 'asc') return [{ column: 'created_at', direction: 'asc' }]
  return sort
}
