import type { ApiServices, Route } from '../../common/route.ts'
import { beginServerAction } from './begin-server-action.ts'

/** Deletes at any state; a second request while the first is at work changes nothing and is no error. */
export const deleteServerRoute = (services: ApiServices): Route => ({
  method: 'DELETE',
  path: '/servers/:id',
  policy: 'servers:delete',
  role: 'member',
  success: 204,
  summary: 'Deletes a server',
  handler: async (request) => {
    await beginServerAction(services, request, {
      name: 'delete',
      guard: 'delete',
      patch: { taskState: 'deleting', progress: 0 },
      params: {},
    })
    return {}
  },
})
