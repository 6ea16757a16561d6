import { LodgeError } from '../../../base/errors.ts'
import { setFlavorExtraSpecs } from '../../../store/flavors.ts'
import type { Store } from '../../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'
import { checkExtraSpec } from './check-extra-spec.ts'
import { requireFlavor } from './flavor-routes.ts'
import { createExtraSpecsSchemas, updateExtraSpecSchemas } from './flavor-schemas.ts'

/** Extra specs as clients send them; numbers are kept as text. */
type SentSpecs = Record<string, string | number>

export const extraSpecRoutes = ({ store }: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/flavors/:flavor_id/os-extra_specs',
    policy: 'os-flavor-extra-specs:index',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: "Lists a flavor's extra specs",
    handler: async (request) => {
      const flavor = await requireFlavor(store.db, flavorIdOf(request), request.caller)
      return { body: { extra_specs: flavor.extraSpecs } }
    },
  },
  {
    method: 'POST',
    path: '/flavors/:flavor_id/os-extra_specs',
    policy: 'os-flavor-extra-specs:create',
    role: 'admin',
    success: 200,
    body: createExtraSpecsSchemas,
    summary: 'Adds extra specs to a flavor, or overwrites them',
    handler: async (request) => {
      const { extra_specs: sent } = request.body as { extra_specs: SentSpecs }
      await merge(store, request, sent)
      return { body: { extra_specs: sent } }
    },
  },
  {
    method: 'GET',
    path: '/flavors/:flavor_id/os-extra_specs/:id',
    policy: 'os-flavor-extra-specs:show',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Shows one extra spec',
    handler: async (request) => {
      const flavor = await requireFlavor(store.db, flavorIdOf(request), request.caller)
      const key = keyOf(request)
      return { body: { [key]: specOf(flavor.id, flavor.extraSpecs, key) } }
    },
  },
  {
    method: 'PUT',
    path: '/flavors/:flavor_id/os-extra_specs/:id',
    policy: 'os-flavor-extra-specs:update',
    role: 'admin',
    success: 200,
    body: updateExtraSpecSchemas,
    summary: 'Sets one extra spec',
    handler: async (request) => {
      const sent = request.body as SentSpecs
      if (!Object.hasOwn(sent, keyOf(request)))
        throw new LodgeError('badRequest', 'Request body and URI mismatch')
      await merge(store, request, sent)
      return { body: sent }
    },
  },
  {
    method: 'DELETE',
    path: '/flavors/:flavor_id/os-extra_specs/:id',
    policy: 'os-flavor-extra-specs:delete',
    role: 'admin',
    success: 200,
    summary: 'Removes one extra spec',
    handler: async (request) => {
      await store.transaction(async (trx) => {
        const flavor = await requireFlavor(trx, flavorIdOf(request))
        const key = keyOf(request)
        specOf(flavor.id, flavor.extraSpecs, key)
        const kept = Object.entries(flavor.extraSpecs).filter(([name]) => name !== key)
        await setFlavorExtraSpecs(trx, flavor.id, Object.fromEntries(kept))
      })
      return {}
    },
  },
]

/** Validates (from 2.86 on) and adds the specs to what the flavor has. */
async function merge(store: Store, request: ApiRequest, sent: SentSpecs): Promise<void> {
  const specs = Object.entries(sent).map(([key, value]) => [key, String(value)] as const)
  if (request.version >= 86) for (const [key, value] of specs) checkExtraSpec(key, value)
  await store.transaction(async (trx) => {
    const flavor = await requireFlavor(trx, flavorIdOf(request))
    await setFlavorExtraSpecs(trx, flavor.id, { ...flavor.extraSpecs, ...Object.fromEntries(specs) })
  })
}

function specOf(flavorId: string, specs: Record<string, string>, key: string): string {
  const value = Object.hasOwn(specs, key) ? specs[key] : undefined
  if (value === undefined)
    throw new LodgeError('notFound', `Flavor ${flavorId} has no extra specs with key ${key}.`)
  return value
}

const flavorIdOf = (request: ApiRequest): string => request.params['flavor_id'] ?? ''
const keyOf = (request: ApiRequest): string => request.params['id'] ?? ''
