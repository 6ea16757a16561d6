import { isQuotaResource, type QuotaResource } from '../../../model/quota.ts'
import { quotaUsage } from '../../../store/quota-usage.ts'
import {
  defaultQuotas,
  deleteLimits,
  effectiveQuotas,
  setLimits,
  type SetLimits,
} from '../../../store/quotas.ts'
import { denied } from '../../common/policy.ts'
import type { ApiReply, ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { boolean, isTrue, object, wrapped } from '../../common/schema-parts.ts'
import { integerFrom, queryPart, querySchemas, queryValue, requireProject } from '../parameters.ts'
import { checkNewLimits } from './check-new-limits.ts'
import { limitsView, resourcesOfSets, usageView } from './quota-view.ts'

const userQuery = querySchemas({ user_id: queryPart.text }, 75)

export const quotaSetRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-quota-sets/:id',
    policy: 'os-quota-sets:show',
    role: 'reader',
    success: 200,
    query: userQuery,
    summary: 'Shows the quotas of a project, or of a user in it',
    handler: (request) => show(services, request),
  },
  {
    method: 'GET',
    path: '/os-quota-sets/:id/detail',
    policy: 'os-quota-sets:detail',
    role: 'reader',
    success: 200,
    query: userQuery,
    summary: 'Shows the quotas of a project, or of a user in it, with what is in use',
    handler: (request) => detail(services, request),
  },
  {
    method: 'GET',
    path: '/os-quota-sets/:id/defaults',
    policy: 'os-quota-sets:defaults',
    role: 'any',
    success: 200,
    summary: 'Shows the quotas of a project for which nothing was set',
    handler: async (request) => {
      const id = idOf(request)
      await requireProject(services.store.db, id)
      const limits = await defaultQuotas(services.store.db, services.config)
      return { body: { quota_set: { id, ...limitsView(limits, resourcesOfSets(request.version)) } } }
    },
  },
  {
    method: 'PUT',
    path: '/os-quota-sets/:id',
    policy: 'os-quota-sets:update',
    role: 'admin',
    success: 200,
    query: userQuery,
    body: updateSchemas(),
    summary: 'Sets quotas of a project, or of a user in it',
    handler: (request) => update(services, request),
  },
  {
    method: 'DELETE',
    path: '/os-quota-sets/:id',
    policy: 'os-quota-sets:delete',
    role: 'admin',
    success: 202,
    query: userQuery,
    summary: 'Takes back what was set for a project, or for a user in it',
    handler: async (request) => {
      const id = idOf(request)
      await requireProject(services.store.db, id)
      await deleteLimits(services.store.db, id, queryValue(request, 'user_id'))
      return {}
    },
  },
]

async function show({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const id = await readableProject(store.db, request, 'show')
  const limits = await effectiveQuotas(store.db, config, id, queryValue(request, 'user_id'))
  return { body: { quota_set: { id, ...limitsView(limits, resourcesOfSets(request.version)) } } }
}

async function detail({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const id = await readableProject(store.db, request, 'detail')
  const userId = queryValue(request, 'user_id')
  const limits = await effectiveQuotas(store.db, config, id, userId)
  const usage = await quotaUsage(store.db, id, userId)
  return { body: { quota_set: { id, ...usageView(limits, usage, resourcesOfSets(request.version)) } } }
}

type SentLimits = Partial<Record<QuotaResource, number | string>> & { force?: boolean | string }

async function update({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const id = idOf(request)
  const userId = queryValue(request, 'user_id')
  const { force, ...sent } = (request.body as { quota_set: SentLimits }).quota_set
  const limits = limitsOf(sent)
  const result = await store.transaction(async (trx) => {
    await requireProject(trx, id)
    if (!isTrue(force)) await checkNewLimits(trx, config, id, userId, limits)
    await setLimits(trx, id, userId, limits)
    return effectiveQuotas(trx, config, id, userId)
  })
  return { body: { quota_set: limitsView(result, resourcesOfSets(request.version)) } }
}

/** Administrators read any project's quotas, others their own project's. Returns the project's id. */
async function readableProject(
  db: ApiServices['store']['db'],
  request: ApiRequest,
  verb: 'show' | 'detail',
): Promise<string> {
  const id = idOf(request)
  const { caller } = request
  if (!caller.isAdmin && caller.projectId !== id) throw denied(`os-quota-sets:${verb}`)
  await requireProject(db, id)
  return id
}

/** Limits as numbers. */
export function limitsOf(sent: Record<string, unknown>): SetLimits {
  const limits: SetLimits = {}
  for (const [name, value] of Object.entries(sent)) if (isQuotaResource(name)) limits[name] = Number(value)
  return limits
}

/** Schemas of a set of limits under `key`, for the ranges of microversions that begin at `starts`. */
export function limitSchemas(
  key: string,
  starts: number[],
  resourcesAt: (version: number) => QuotaResource[],
  more: Record<string, Record<string, unknown>> = {},
): VersionedSchema[] {
  return starts.map((min, index) => {
    const next = starts[index + 1]
    const limits = Object.fromEntries(resourcesAt(min).map((name) => [name, integerFrom(-1)]))
    return {
      min,
      ...(next !== undefined && { max: next - 1 }),
      schema: wrapped(key, object({ ...limits, ...more })),
    }
  })
}

function updateSchemas(): VersionedSchema[] {
  return limitSchemas('quota_set', [1, 36, 57], resourcesOfSets, { force: boolean })
}

const idOf = (request: ApiRequest): string => request.params['id'] ?? ''
