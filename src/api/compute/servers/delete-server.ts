import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { anything } from '../../common/schema-parts.ts'
import { checkRestoreQuota } from '../quotas/check-server-quota.ts'
import { beginServerAction } from './begin-server-action.ts'
import { requireServer } from './find-server.ts'

/** Deletes, at once or so that it can be restored for a while, and takes such a delete back. */
export const deleteServerRoutes = (services: ApiServices): Route[] => [
  {
    method: 'DELETE',
    path: '/servers/:id',
    policy: 'servers:delete',
    role: 'member',
    success: 204,
    summary: 'Deletes a server',
    handler: async (request) => {
      const server = await requireServer(services.store.db, request)
      // One that never was active is of no use to anybody.
      const soft = services.config.conductor.reclaimSeconds > 0 && server.launchedAt !== null
      if (soft && (server.vmState === 'soft-delete' || server.taskState === 'soft-deleting')) return {}
      await beginDelete(services, request, soft)
      return {}
    },
  },
  {
    method: 'POST',
    path: '/servers/:id/action',
    action: 'forceDelete',
    policy: 'os-deferred-delete:force',
    role: 'member',
    success: 202,
    body: [{ schema: anything }],
    summary: 'Deletes a server at once, also one that could be restored',
    handler: async (request) => {
      await beginDelete(services, request, false)
      return {}
    },
  },
  {
    method: 'POST',
    path: '/servers/:id/action',
    action: 'restore',
    policy: 'os-deferred-delete:restore',
    role: 'member',
    success: 202,
    body: [{ schema: anything }],
    summary: 'Brings a server back that was deleted a while ago',
    handler: async (request) => {
      await beginServerAction(
        services,
        request,
        { name: 'restore', guard: 'restore', patch: { taskState: 'restoring' }, params: {} },
        (trx, server) => checkRestoreQuota(trx, services.config, server),
      )
      return {}
    },
  },
]

/** A second request while the first is at work changes nothing and is no error. */
const beginDelete = (services: ApiServices, request: ApiRequest, soft: boolean): Promise<void> =>
  beginServerAction(services, request, {
    name: 'delete',
    guard: soft ? 'soft-delete' : 'delete',
    patch: { taskState: soft ? 'soft-deleting' : 'deleting', progress: 0 },
    params: soft ? { soft } : {},
  })
