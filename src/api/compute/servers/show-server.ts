import type { ApiServices, Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'
import { requireServer } from './find-server.ts'
import { viewServers } from './surroundings.ts'

export const showServerRoute = (services: ApiServices): Route => ({
  method: 'GET',
  path: '/servers/:id',
  policy: 'servers:show',
  role: 'reader',
  success: 200,
  query: emptyQuery,
  summary: 'Shows one server',
  handler: async (request) => {
    const { db } = services.store
    const server = await requireServer(db, request)
    const [view] = await viewServers(services, db, [server], request, 'show')
    return { body: { server: view } }
  },
})
