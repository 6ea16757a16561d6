import { LodgeError } from '../../../base/errors.ts'
import type { Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'

/** Reads only: nothing makes aggregates yet, so there are none. */
export const aggregateRoutes = (): Route[] => [
  {
    method: 'GET',
    path: '/os-aggregates',
    policy: 'os-aggregates:index',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Lists host aggregates',
    handler: async () => ({ body: { aggregates: [] } }),
  },
  {
    method: 'GET',
    path: '/os-aggregates/:id',
    policy: 'os-aggregates:show',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Shows a host aggregate',
    handler: async ({ params: { id = '' } }) => {
      if (!/^\d{1,15}$/.test(id))
        throw new LodgeError('badRequest', `Invalid input for aggregate id ${id}: it must be an integer`)
      throw new LodgeError('notFound', `Aggregate ${id} could not be found.`)
    },
  },
]
