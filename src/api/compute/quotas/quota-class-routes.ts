import { quotasOfClass, setClassLimits } from '../../../store/quotas.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'
import { limitSchemas, limitsOf } from './quota-set-routes.ts'
import { limitsView, resourcesOfClasses, settableOfClasses } from './quota-view.ts'

export const quotaClassRoutes = ({ store, config }: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-quota-class-sets/:id',
    policy: 'os-quota-class-sets:show',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Shows the quotas of a class; those of `default` hold for every project',
    handler: async (request) => {
      const id = idOf(request)
      const limits = await quotasOfClass(store.db, config, id)
      return { body: { quota_class_set: { id, ...limitsView(limits, resourcesOfClasses(request.version)) } } }
    },
  },
  {
    method: 'PUT',
    path: '/os-quota-class-sets/:id',
    policy: 'os-quota-class-sets:update',
    role: 'admin',
    success: 200,
    body: limitSchemas('quota_class_set', [1, 50, 57], settableOfClasses),
    summary: 'Sets quotas of a class',
    handler: async (request) => {
      const sent = (request.body as { quota_class_set: Record<string, unknown> }).quota_class_set
      const limits = await store.transaction(async (trx) => {
        await setClassLimits(trx, idOf(request), limitsOf(sent))
        return quotasOfClass(trx, config, idOf(request))
      })
      return { body: { quota_class_set: limitsView(limits, resourcesOfClasses(request.version)) } }
    },
  },
]

const idOf = (request: ApiRequest): string => request.params['id'] ?? ''
