import { LodgeError } from '../../../base/errors.ts'
import { listUsedServers } from '../../../store/server-usage.ts'
import { limitOrMax, nextLinks, pageOf } from '../../common/paging.ts'
import { denied } from '../../common/policy.ts'
import type { ApiReply, ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { parseTime } from '../../common/time.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'
import { projectUsage, type Period } from './project-usage.ts'

export const usageRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-simple-tenant-usage',
    policy: 'os-simple-tenant-usage:list',
    role: 'admin',
    success: 200,
    // As in Nova: with a slash it asks for the project without a name.
    exactPath: true,
    query: usageQuery({ detailed: queryPart.text }),
    summary: 'Shows what each project used in a period',
    handler: (request) => list(services, request),
  },
  {
    method: 'GET',
    path: '/os-simple-tenant-usage/:id',
    policy: 'os-simple-tenant-usage:show',
    role: 'reader',
    success: 200,
    query: usageQuery({}),
    summary: 'Shows what a project and its servers used in a period',
    handler: (request) => show(services, request),
  },
]

/** Paging came with 2.40; before, the largest page is all there is. */
function usageQuery(more: Record<string, Record<string, unknown>>): VersionedSchema[] {
  const period = { start: queryPart.text, end: queryPart.text, ...more }
  return [
    ...querySchemas(period, 75, { until: 39 }),
    ...querySchemas({ ...period, limit: queryPart.limit, marker: queryPart.text }, 75, { since: 40 }),
  ]
}

async function list(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const period = periodOf(request, services.clock.now())
  const { servers, links } = await usedServers(services, request, period)
  const byProject = Object.groupBy(servers, ({ projectId }) => projectId)
  const options = { now: services.clock.now(), detailed: queryValue(request, 'detailed') === '1' }
  return {
    body: {
      tenant_usages: Object.entries(byProject).map(([projectId, ofProject = []]) =>
        projectUsage(projectId, ofProject, period, options),
      ),
      ...(links.length > 0 && { tenant_usages_links: links }),
    },
  }
}

async function show(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const projectId = request.params['id'] ?? ''
  const { caller } = request
  if (!caller.isAdmin && caller.projectId !== projectId) throw denied('os-simple-tenant-usage:show')
  const now = services.clock.now()
  const period = periodOf(request, now)
  const { servers, links } = await usedServers(services, request, period, projectId)
  const usage = servers.length === 0 ? {} : projectUsage(projectId, servers, period, { now, detailed: true })
  return { body: { tenant_usage: usage, ...(links.length > 0 && { tenant_usage_links: links }) } }
}

async function usedServers(
  { store, config }: ApiServices,
  request: ApiRequest,
  period: Period,
  projectId?: string,
) {
  const paged = request.version >= 40
  const page = paged ? pageOf(request, config) : { limit: 0, marker: null }
  const limit = limitOrMax(page, config)
  const servers = await listUsedServers(store.db, {
    ...period,
    projectId,
    marker: page.marker ?? undefined,
    limit,
  })
  const path = `/os-simple-tenant-usage${projectId === undefined ? '' : `/${encodeURIComponent(projectId)}`}`
  const ids = servers.map(({ id }) => id)
  return { servers, links: paged ? nextLinks(request, path, limit, ids) : [] }
}

/** From `start` to `end`, both now when absent. */
function periodOf(request: ApiRequest, now: number): Period {
  const from = timeOf(request, 'start', now)
  const to = timeOf(request, 'end', now)
  const given = request.query['start'] !== undefined || request.query['end'] !== undefined
  if (from > to || (given && from === to))
    throw new LodgeError('badRequest', 'Invalid start time. The start time cannot occur after the end time.')
  return { from, to }
}

function timeOf(request: ApiRequest, key: 'start' | 'end', now: number): number {
  const text = request.query[key]?.[0]
  if (text === undefined) return now
  const time = parseTime(text)
  if (time === undefined) throw new LodgeError('badRequest', 'Datetime is in invalid format')
  return time
}
