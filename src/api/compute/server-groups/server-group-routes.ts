import { LodgeError } from '../../../base/errors.ts'
import type { Route } from '../../common/route.ts'
import { emptyQuery, queryPart, querySchemas } from '../parameters.ts'

/** Reads only: nothing makes server groups yet, so there are none. */
export const serverGroupRoutes = (): Route[] => [
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
    handler: async () => ({ body: { server_groups: [] } }),
  },
  {
    method: 'GET',
    path: '/os-server-groups/:id',
    policy: 'os-server-groups:show',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Shows a server group',
    handler: async ({ params: { id = '' } }) => {
      throw new LodgeError('notFound', `Instance group ${id} could not be found.`)
    },
  },
]
