import { recordAction } from '../../../store/actions.ts'
import { updateServer } from '../../../store/servers.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { object } from '../../common/schema-parts.ts'
import { requireServer } from './find-server.ts'

/**
 * Sets what the record says, and touches no guest. As in Nova, a server that was never placed may be called active:
 * whatever needs its host is refused then, and it can be deleted.
 */
export const resetStateRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'os-resetState',
  policy: 'os-admin-actions:reset_state',
  role: 'admin',
  success: 202,
  body: [
    { schema: object({ state: { type: 'string', enum: ['active', 'error'] } }, { required: ['state'] }) },
  ],
  summary: 'Sets a server’s state to active or error, without a task',
  handler: async (request) => {
    const { state } = request.body as { state: 'active' | 'error' }
    await services.store.transaction(async (trx) => {
      const server = await requireServer(trx, request)
      const now = services.clock.now()
      await updateServer(trx, server.id, { vmState: state, taskState: null }, now)
      await recordAction(trx, {
        serverId: server.id,
        name: 'resetState',
        requestId: request.requestId,
        projectId: request.caller.projectId ?? server.projectId,
        userId: request.caller.userId,
        params: {},
        now,
      })
    })
    return {}
  },
})
