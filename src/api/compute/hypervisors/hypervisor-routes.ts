import { LodgeError } from '../../../base/errors.ts'
import {
  getHypervisor,
  listHypervisors,
  serversOnHosts,
  workloadOfHosts,
  type Hypervisor,
} from '../../../store/host-list.ts'
import { isUuid } from '../../common/formats.ts'
import { nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiReply, ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { anyString, boolean, isTrue, object, once } from '../../common/schema-parts.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'
import { hypervisorSummary, hypervisorView, shownId, type ViewContext } from './hypervisor-view.ts'

const withServers = once(boolean)

/** Paging came with 2.33, the other two with 2.53, from when on nothing else is taken. */
const listQuery: VersionedSchema[] = [
  ...querySchemas({}, 53, { until: 32 }),
  ...querySchemas({ limit: queryPart.limit, marker: queryPart.text }, 53, { since: 33, until: 52 }),
  {
    min: 53,
    schema: object({
      limit: { ...queryPart.limit, maxItems: 1 },
      marker: once(anyString),
      hypervisor_hostname_pattern: once({
        type: 'string',
        minLength: 1,
        maxLength: 255,
        pattern: '^[a-zA-Z0-9\\-._]*$',
      }),
      with_servers: withServers,
    }),
  },
]

export const hypervisorRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-hypervisors',
    policy: 'os-hypervisors:list',
    role: 'admin',
    success: 200,
    query: listQuery,
    summary: 'Lists hypervisors, with name and state',
    handler: (request) => list(services, request, '/os-hypervisors'),
  },
  {
    method: 'GET',
    path: '/os-hypervisors/detail',
    policy: 'os-hypervisors:list-detail',
    role: 'admin',
    success: 200,
    query: listQuery,
    summary: 'Lists hypervisors in full',
    handler: (request) => list(services, request, '/os-hypervisors/detail'),
  },
  {
    method: 'GET',
    path: '/os-hypervisors/:id',
    policy: 'os-hypervisors:show',
    role: 'admin',
    success: 200,
    query: [
      ...querySchemas({}, 53, { until: 52 }),
      { min: 53, schema: object({ with_servers: withServers }) },
    ],
    summary: 'Shows a hypervisor',
    handler: async (request) => {
      const hypervisor = await requireHypervisor(services, request)
      const [view] = await viewsOf(services, request, [hypervisor], true)
      return { body: { hypervisor: view } }
    },
  },
]

async function list(services: ApiServices, request: ApiRequest, path: string): Promise<ApiReply> {
  const { store, config } = services
  const detailed = path.endsWith('/detail')
  const pattern = request.version >= 53 ? queryValue(request, 'hypervisor_hostname_pattern') : undefined
  if (pattern !== undefined) {
    if (request.query['limit'] || request.query['marker'])
      throw new LodgeError(
        'badRequest',
        'Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.',
      )
    const matching = await findHypervisors(services, pattern)
    return { body: { hypervisors: await viewsOf(services, request, matching, detailed) } }
  }
  if (request.version < 33) {
    const all = await listHypervisors(store.db)
    return { body: { hypervisors: await viewsOf(services, request, all, detailed) } }
  }
  const { limit, marker } = pageOf(request, config)
  const after = marker === null ? undefined : await numberOfMarker(services, request, marker)
  const page = await listHypervisors(store.db, { after, limit })
  const ids = page.map((hypervisor) => String(shownId(hypervisor, request.version)))
  const links = nextLinks(request, path, limit, ids)
  return {
    body: {
      hypervisors: await viewsOf(services, request, page, detailed),
      ...(links.length > 0 && { hypervisors_links: links }),
    },
  }
}

/** Hypervisors with this part in their host name. Throws `notFound` when there are none. */
export async function findHypervisors({ store }: ApiServices, pattern: string): Promise<Hypervisor[]> {
  const all = await listHypervisors(store.db)
  const wanted = pattern.toLowerCase()
  const found = all.filter(({ description }) => description.hypervisorHostname.toLowerCase().includes(wanted))
  if (found.length === 0)
    throw new LodgeError('notFound', `No hypervisor matching '${pattern}' could be found.`)
  return found
}

/** The hypervisor of the path. Throws `notFound`, or from 2.53 on `badRequest` for what is no UUID. */
export async function requireHypervisor({ store }: ApiServices, request: ApiRequest): Promise<Hypervisor> {
  const id = request.params['id'] ?? ''
  if (request.version >= 53 && !isUuid(id)) throw new LodgeError('badRequest', `Invalid uuid ${id}`)
  const hypervisor = await lookUp(store, request.version, id)
  if (!hypervisor) throw new LodgeError('notFound', `Hypervisor with ID '${id}' could not be found.`)
  return hypervisor
}

async function numberOfMarker({ store }: ApiServices, request: ApiRequest, marker: string): Promise<number> {
  const hypervisor = await lookUp(store, request.version, marker)
  if (!hypervisor) throw new LodgeError('badRequest', `marker [${marker}] not found`)
  return hypervisor.number
}

async function lookUp(
  { db }: ApiServices['store'],
  version: number,
  id: string,
): Promise<Hypervisor | undefined> {
  if (version >= 53) return getHypervisor(db, { id: id.toLowerCase() })
  return /^\d{1,15}$/.test(id) ? getHypervisor(db, { number: Number(id) }) : undefined
}

export const contextOf = ({ clock, config }: ApiServices, { version }: ApiRequest): ViewContext => ({
  version,
  now: clock.now(),
  hosts: config.hosts,
})

async function viewsOf(
  services: ApiServices,
  request: ApiRequest,
  hypervisors: Hypervisor[],
  detailed: boolean,
): Promise<Record<string, unknown>[]> {
  const { db } = services.store
  const context = contextOf(services, request)
  const names = hypervisors.map(({ name }) => name)
  const workloads =
    detailed && request.version < 88 ? await workloadOfHosts(db, names) : new Map<string, never>()
  const servers = wantsServers(request) ? await serversOnHosts(db, names) : undefined
  return hypervisors.map((hypervisor) => {
    const view = detailed
      ? hypervisorView(hypervisor, workloads.get(hypervisor.name), context)
      : hypervisorSummary(hypervisor, context)
    const here = servers?.get(hypervisor.name)
    // Until 2.75 a host without servers had no such key.
    if (here || (servers && request.version >= 75)) view['servers'] = serversView(here ?? [])
    return view
  })
}

const wantsServers = (request: ApiRequest): boolean =>
  request.version >= 53 && isTrue(queryValue(request, 'with_servers'))

export const serversView = (servers: { id: string; name: string }[]) =>
  servers.map(({ id, name }) => ({ uuid: id, name }))
