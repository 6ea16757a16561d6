import { LodgeError } from '../../../base/errors.ts'
import type { Action, ActionStep } from '../../../model/action.ts'
import type { Server } from '../../../model/server.ts'
import { listSteps } from '../../../store/action-steps.ts'
import { getActionByRequest, listActions, type ActionListOptions } from '../../../store/actions.ts'
import { limitOrMax, nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { anyString, nonNegativeInteger, object, once } from '../../common/schema-parts.ts'
import { isoMicroseconds, parseTime } from '../../common/time.ts'
import { emptyQuery, queryValue } from '../parameters.ts'
import { requireServer } from './find-server.ts'
import { hostIdOf } from './server-view.ts'

const time = once({ type: 'string', format: 'date-time' })
const page = { limit: once(nonNegativeInteger), marker: once(anyString), 'changes-since': time }

/** What was asked of a server, and how it went: our actions with their steps. */
export const instanceActionRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/servers/:server_id/os-instance-actions',
    policy: 'os-instance-actions:list',
    role: 'reader',
    success: 200,
    query: [
      { min: 58, max: 65, schema: object(page) },
      { min: 66, schema: object({ ...page, 'changes-before': time }) },
    ],
    summary: 'Lists a server’s actions, newest first',
    handler: async (request) => {
      const { db } = services.store
      const server = await requireServer(db, request, { deleted: request.version >= 21 })
      const options = request.version < 58 ? {} : listOptions(services, request)
      const actions = await listActions(db, server.id, options)
      if (!actions) throw new LodgeError('badRequest', `marker [${options.marker?.slice(0, 255)}] not found`)
      const path = `/servers/${server.id}/os-instance-actions`
      const ids = actions.map(({ requestId }) => requestId)
      const links = options.limit === undefined ? [] : nextLinks(request, path, options.limit, ids)
      return {
        body: {
          instanceActions: actions.map((action) => actionView(action, request)),
          ...(links.length > 0 ? { links } : {}),
        },
      }
    },
  },
  {
    method: 'GET',
    path: '/servers/:server_id/os-instance-actions/:id',
    policy: 'os-instance-actions:show',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Shows one action with its steps, by the request’s id',
    handler: async (request) => {
      const { db } = services.store
      const server = await requireServer(db, request, { deleted: request.version >= 21 })
      const requestId = request.params['id'] ?? ''
      const action = await getActionByRequest(db, server.id, requestId)
      if (!action) throw new LodgeError('notFound', `Action ${requestId.slice(0, 255)} not found`)
      const view = actionView(action, request)
      // Until 2.50 events were for administrators only.
      if (request.version >= 51 || request.caller.isAdmin) {
        const steps = await listSteps(db, action.id)
        view['events'] = steps.map((step) => eventView(step, server, request))
      }
      return { body: { instanceAction: view } }
    },
  },
]

function listOptions(services: ApiServices, request: ApiRequest): ActionListOptions {
  const { limit, marker } = pageOf(request, services.config)
  const at = (key: string): number | undefined => {
    const text = queryValue(request, key)
    return text === undefined ? undefined : parseTime(text)
  }
  const changesSince = at('changes-since')
  const changesBefore = at('changes-before')
  if (changesSince !== undefined && changesBefore !== undefined && changesSince > changesBefore)
    throw new LodgeError(
      'badRequest',
      'The value of changes-since must be less than or equal to changes-before.',
    )
  return {
    limit: limitOrMax({ limit, marker }, services.config),
    ...(marker === null ? {} : { marker }),
    ...(changesSince === undefined ? {} : { changesSince }),
    ...(changesBefore === undefined ? {} : { changesBefore }),
  }
}

function actionView(action: Action, { version }: ApiRequest): Record<string, unknown> {
  return {
    action: action.name,
    instance_uuid: action.serverId,
    request_id: action.requestId,
    user_id: action.userId,
    project_id: action.projectId,
    start_time: isoMicroseconds(action.startedAt),
    ...(version >= 58 ? { updated_at: isoMicroseconds(action.updatedAt) } : {}),
    message: action.message,
  }
}

function eventView(step: ActionStep, server: Server, { version, caller }: ApiRequest): object {
  return {
    event: step.event,
    start_time: isoMicroseconds(step.startedAt),
    finish_time: isoMicroseconds(step.finishedAt),
    result: step.result,
    ...(caller.isAdmin ? { traceback: step.traceback } : {}),
    ...(version >= 62 ? { hostId: hostIdOf(server.projectId, step.host) } : {}),
    ...(version >= 62 && caller.isAdmin && step.host !== null ? { host: step.host } : {}),
    ...(version >= 84 && caller.isAdmin ? { details: step.details } : {}),
  }
}
