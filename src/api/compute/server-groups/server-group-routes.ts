import { LodgeError } from '../../../base/errors.ts'
import { newUuid } from '../../../base/ids.ts'
import { unlimited } from '../../../model/quota.ts'
import type { GroupPolicy, ServerGroup } from '../../../model/server-group.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import {
  countServerGroups,
  deleteServerGroup,
  getServerGroup,
  insertServerGroup,
  listServerGroups,
} from '../../../store/server-groups.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiReply, ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery, queryPart, querySchemas, queryValue } from '../parameters.ts'
import { createGroupSchemas } from './server-group-schemas.ts'
import { serverGroupView } from './server-group-view.ts'

export const serverGroupRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-server-groups',
    policy: 'os-server-groups:index',
    role: 'reader',
    success: 200,
    query: querySchemas(
      { all_projects: queryPart.text, limit: queryPart.limit, offset: queryPart.limit },
      75,
    ),
    summary: 'Lists server groups',
    handler: (request) => list(services, request),
  },
  {
    method: 'POST',
    path: '/os-server-groups',
    policy: 'os-server-groups:create',
    role: 'member',
    success: 200,
    body: createGroupSchemas,
    summary: 'Creates a server group',
    handler: (request) => create(services, request),
  },
  {
    method: 'GET',
    path: '/os-server-groups/:id',
    policy: 'os-server-groups:show',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Shows a server group',
    handler: async (request) => {
      const group = await requireGroup(services.store.db, request)
      return { body: { server_group: serverGroupView(group, request.version) } }
    },
  },
  {
    method: 'DELETE',
    path: '/os-server-groups/:id',
    policy: 'os-server-groups:delete',
    role: 'member',
    success: 204,
    summary: 'Deletes a server group; its servers go on without it',
    handler: async (request) => {
      await services.store.transaction(async (trx) => {
        const { id } = await requireGroup(trx, request)
        await deleteServerGroup(trx, id)
      })
      return {}
    },
  },
]

/** `all_projects` means something to administrators only; others see their project's. */
async function list({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const { caller, version } = request
  const all = caller.isAdmin && request.query['all_projects'] !== undefined
  const groups = await listServerGroups(store.db, all ? undefined : (caller.projectId ?? ''), {
    limit: Math.min(Number(queryValue(request, 'limit') ?? 0) || config.api.maxLimit, config.api.maxLimit),
    offset: Math.min(Number(queryValue(request, 'offset') ?? 0), Number.MAX_SAFE_INTEGER),
  })
  return { body: { server_groups: groups.map((group) => serverGroupView(group, version)) } }
}

interface CreateBody {
  server_group: {
    name: string
    policies?: [GroupPolicy]
    policy?: GroupPolicy
    rules?: { max_server_per_host?: number | string }
  }
}

async function create({ store, config, clock }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const { server_group: asked } = request.body as CreateBody
  const { userId } = request.caller
  const projectId = request.caller.projectId!
  const policy = asked.policy ?? asked.policies![0]
  const most = asked.rules?.max_server_per_host
  if (asked.rules !== undefined && policy !== 'anti-affinity' && most !== undefined)
    throw new LodgeError(
      'badRequest',
      `Only anti-affinity policy supports rules, such as max_server_per_host; the policy is ${policy}.`,
    )
  const group: Omit<ServerGroup, 'members'> = {
    id: newUuid(),
    projectId,
    userId,
    name: asked.name,
    policy,
    maxServersPerHost: most === undefined ? null : Number(most),
    createdAt: clock.now(),
  }
  await store.transaction(async (trx) => {
    const { server_groups: limit } = await effectiveQuotas(trx, config, projectId, userId)
    if (limit !== unlimited && (await countServerGroups(trx, projectId)) >= limit)
      throw new LodgeError('forbidden', 'Quota exceeded, too many server groups.')
    await insertServerGroup(trx, group)
  })
  return { body: { server_group: serverGroupView({ ...group, members: [] }, request.version) } }
}

async function requireGroup(db: Db, request: ApiRequest): Promise<ServerGroup> {
  const id = request.params['id'] ?? ''
  const group = await getServerGroup(db, id)
  if (!group || (!request.caller.isAdmin && group.projectId !== request.caller.projectId))
    throw new LodgeError('notFound', `Instance group ${id.slice(0, 255)} could not be found.`)
  return group
}
