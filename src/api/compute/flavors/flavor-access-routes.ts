import { LodgeError } from '../../../base/errors.ts'
import { addFlavorAccess, listFlavorAccess, removeFlavorAccess } from '../../../store/flavor-access.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiReply, ApiServices, Route } from '../../common/route.ts'
import { wrapped } from '../../common/schema-parts.ts'
import { emptyQuery, requireProject } from '../parameters.ts'
import { requireFlavor } from './flavor-routes.ts'

const tenant = [{ schema: wrapped('tenant', { type: 'string', minLength: 1, maxLength: 255 }) }]

export const flavorAccessRoutes = ({ store }: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/flavors/:flavor_id/os-flavor-access',
    policy: 'os-flavor-access',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Lists the projects that may use a private flavor',
    handler: async (request) => {
      const flavor = await requireFlavor(store.db, request.params['flavor_id'] ?? '')
      if (flavor.isPublic) throw new LodgeError('notFound', 'Access list not available for public flavors.')
      return accessList(store.db, flavor.id)
    },
  },
  {
    method: 'POST',
    path: '/flavors/:id/action',
    action: 'addTenantAccess',
    policy: 'os-flavor-access:add_tenant_access',
    role: 'admin',
    success: 200,
    body: tenant,
    summary: 'Gives a project access to a private flavor',
    handler: (request) =>
      store.transaction(async (trx) => {
        const projectId = (request.body as { tenant: string }).tenant
        await requireProject(trx, projectId)
        const flavor = await requireFlavor(trx, request.params['id'] ?? '')
        if (flavor.isPublic && request.version >= 7)
          throw new LodgeError('conflict', 'Can not add access to a public flavor.')
        await addFlavorAccess(trx, flavor.id, projectId)
        return accessList(trx, flavor.id)
      }),
  },
  {
    method: 'POST',
    path: '/flavors/:id/action',
    action: 'removeTenantAccess',
    policy: 'os-flavor-access:remove_tenant_access',
    role: 'admin',
    success: 200,
    body: tenant,
    summary: "Withdraws a project's access to a flavor",
    handler: (request) =>
      store.transaction(async (trx) => {
        const flavor = await requireFlavor(trx, request.params['id'] ?? '')
        await removeFlavorAccess(trx, flavor.id, (request.body as { tenant: string }).tenant)
        return accessList(trx, flavor.id)
      }),
  },
]

async function accessList(db: Db, flavorId: string): Promise<ApiReply> {
  const projectIds = await listFlavorAccess(db, flavorId)
  return {
    body: { flavor_access: projectIds.map((tenant_id) => ({ flavor_id: flavorId, tenant_id })) },
  }
}
