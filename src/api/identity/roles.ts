import { LodgeError } from '../../base/errors.ts'
import { newHexId } from '../../base/ids.ts'
import { builtInRoles, withImpliedRoles, type RoleRecord } from '../../model/identity.ts'
import { deleteRole, getRole, listRoles, saveRole } from '../../store/identity-roles.ts'
import type { Db } from '../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { object, wrapped } from '../common/schema-parts.ts'
import { couldNotFind, duplicateName } from './faults.ts'
import { listing, single } from './listing.ts'
import { tokenCacheOf } from './token-cache.ts'

const attributes = {
  name: { type: 'string', minLength: 1, maxLength: 255, pattern: '\\S' },
  description: { type: ['string', 'null'], maxLength: 65_535 },
  domain_id: { type: ['string', 'null'] },
}

interface RoleBody {
  name?: string
  description?: string | null
  domain_id?: string | null
}

/** /roles, and which roles imply which. The rules of implication are fixed. */
export function roleRoutes(services: ApiServices): Route[] {
  const { store } = services
  const { db } = store

  async function create(request: ApiRequest) {
    const sent = (request.body as { role: RoleBody & { name: string } }).role
    if (sent.domain_id != null)
      throw new LodgeError('badRequest', 'Roles cannot belong to a domain here: leave domain_id out.')
    const role: RoleRecord = { id: newHexId(), name: sent.name, description: sent.description ?? null }
    await store.transaction(async (trx) => {
      await refuseTakenName(trx, role.name)
      await saveRole(trx, role)
    })
    return { body: { role: roleView(request, role) } }
  }

  async function update(request: ApiRequest) {
    const id = request.params['id']!
    const sent = (request.body as { role: RoleBody }).role
    const role = await store.transaction(async (trx) => {
      const before = await existing(trx, id)
      const after: RoleRecord = {
        id,
        name: sent.name ?? before.name,
        description: sent.description === undefined ? before.description : sent.description,
      }
      if (after.name !== before.name) {
        refuseBuiltIn(before)
        await refuseTakenName(trx, after.name)
      }
      await saveRole(trx, after)
      return after
    })
    tokenCacheOf(store).clear()
    return { body: { role: roleView(request, role) } }
  }

  async function remove(request: ApiRequest) {
    const id = request.params['id']!
    await store.transaction(async (trx) => {
      refuseBuiltIn(await existing(trx, id))
      await deleteRole(trx, id)
    })
    tokenCacheOf(store).clear()
    return {}
  }

  return [
    {
      method: 'GET',
      path: '/roles',
      policy: 'identity:list_roles',
      role: 'admin',
      success: 200,
      summary: 'Lists roles',
      handler: async (request) => {
        // Roles of a domain do not exist, so whoever asks for them gets none.
        const foreign = single(request, 'domain_id') !== undefined
        const roles = foreign ? [] : await listRoles(db, { name: single(request, 'name') })
        const views = roles.map((role) => roleView(request, role))
        return listing(request, 'roles', '/roles', views)
      },
    },
    {
      method: 'POST',
      path: '/roles',
      policy: 'identity:create_role',
      role: 'admin',
      success: 201,
      body: [{ schema: wrapped('role', object(attributes, { required: ['name'], open: true })) }],
      summary: 'Creates a role',
      handler: create,
    },
    {
      method: 'GET',
      path: '/roles/:id',
      policy: 'identity:get_role',
      role: 'admin',
      success: 200,
      summary: 'Shows a role',
      handler: async (request) => {
        const role = await existing(db, request.params['id']!)
        return { body: { role: roleView(request, role) } }
      },
    },
    {
      method: 'PATCH',
      path: '/roles/:id',
      policy: 'identity:update_role',
      role: 'admin',
      success: 200,
      body: [{ schema: wrapped('role', object(attributes, { open: true })) }],
      summary: 'Changes a role',
      handler: update,
    },
    {
      method: 'DELETE',
      path: '/roles/:id',
      policy: 'identity:delete_role',
      role: 'admin',
      success: 204,
      summary: 'Deletes a role and takes it from everyone',
      handler: remove,
    },
    {
      method: 'GET',
      path: '/roles/:id/implies',
      policy: 'identity:list_implied_roles',
      role: 'admin',
      success: 200,
      summary: 'Lists the roles that a role brings with it',
      handler: async (request) => {
        const prior = await existing(db, request.params['id']!)
        return {
          body: {
            role_inference: inferenceView(request, prior, await listRoles(db)),
            links: { self: `${request.links.versioned}/roles/${prior.id}/implies` },
          },
        }
      },
    },
    {
      method: 'GET',
      path: '/role_inferences',
      policy: 'identity:list_role_inference_rules',
      role: 'admin',
      success: 200,
      summary: 'Lists which roles imply which',
      handler: async (request) => {
        const roles = await listRoles(db)
        const views = roles
          .map((prior) => inferenceView(request, prior, roles))
          .filter(({ implies }) => implies.length > 0)
        return {
          body: { role_inferences: views, links: { self: `${request.links.versioned}/role_inferences` } },
        }
      },
    },
  ]
}

export const roleView = (request: Pick<ApiRequest, 'links'>, role: RoleRecord): object => ({
  id: role.id,
  name: role.name,
  domain_id: null,
  description: role.description,
  options: builtInRoles.includes(role.name) ? { immutable: true } : {},
  links: { self: `${request.links.versioned}/roles/${role.id}` },
})

function inferenceView(request: ApiRequest, prior: RoleRecord, roles: RoleRecord[]) {
  const names = withImpliedRoles([prior.name])
  const implied = roles.filter(({ id, name }) => id !== prior.id && names.includes(name))
  return {
    prior_role: roleView(request, prior),
    implies: implied.map((role) => roleView(request, role)),
  }
}

async function existing(db: Db, id: string): Promise<RoleRecord> {
  const role = await getRole(db, id)
  if (!role) throw couldNotFind('role', id)
  return role
}

/** Policies speak of these by their names. */
function refuseBuiltIn({ name }: RoleRecord): void {
  if (builtInRoles.includes(name))
    throw new LodgeError('forbidden', `The role ${name} is built in and cannot be renamed or deleted.`)
}

async function refuseTakenName(db: Db, name: string): Promise<void> {
  const taken = await listRoles(db, { name })
  if (taken.length > 0) throw duplicateName('role', name)
}
