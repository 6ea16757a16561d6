import type { RoleAssignment, RoleTarget } from '../../model/identity.ts'
import { getDomain, getProject } from '../../store/identity-projects.ts'
import { assignRole, getRole, rolesOn, unassignRole } from '../../store/identity-roles.ts'
import { getUser } from '../../store/identity-users.ts'
import type { Db } from '../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { couldNotFind } from './faults.ts'
import { listing } from './listing.ts'
import { roleView } from './roles.ts'
import { tokenCacheOf } from './token-cache.ts'

const targetTypes = ['project', 'domain', 'system'] as const

/** Giving, taking and asking for one user's roles on a project, a domain or the system. */
export function roleGrantRoutes(services: ApiServices): Route[] {
  return targetTypes.flatMap((type) => grantRoutesOn(type, services))
}

function grantRoutesOn(type: RoleTarget['type'], { store }: ApiServices): Route[] {
  const { db } = store
  const users = type === 'system' ? '/system/users/:user_id/roles' : `/${type}s/:id/users/:user_id/roles`
  const one = `${users}/:role_id`
  const kind = type === 'system' ? 'system_grant_for_user' : 'grant'

  const check = async (request: ApiRequest) => {
    const { userId, target, roleId } = await assignmentOf(db, type, request)
    const held = await rolesOn(db, userId, target)
    if (!held.some(({ id }) => id === roleId)) throw couldNotFind('role assignment', roleId)
    return {}
  }

  return [
    {
      method: 'GET',
      path: users,
      policy: `identity:list_${kind}s`,
      role: 'admin',
      success: 200,
      summary: `Lists the roles that a user was given on the ${type}`,
      handler: async (request) => {
        const { userId, target } = await holderOf(db, type, request)
        const roles = await rolesOn(db, userId, target)
        const path = users.replace(':id', target.id).replace(':user_id', userId)
        const views = roles.map((role) => roleView(request, role))
        return listing(request, 'roles', path, views)
      },
    },
    {
      method: 'PUT',
      path: one,
      policy: `identity:create_${kind}`,
      role: 'admin',
      success: 204,
      summary: `Gives a user a role on the ${type}`,
      handler: async (request) => {
        await store.transaction(async (trx) => {
          await assignRole(trx, await assignmentOf(trx, type, request))
        })
        tokenCacheOf(store).clear()
        return {}
      },
    },
    {
      method: 'HEAD',
      path: one,
      policy: `identity:check_${kind}`,
      role: 'admin',
      success: 204,
      summary: `Says whether a user has a role on the ${type}`,
      handler: check,
    },
    {
      method: 'GET',
      path: one,
      policy: `identity:check_${kind}`,
      role: 'admin',
      success: 204,
      summary: `Says whether a user has a role on the ${type}`,
      handler: check,
    },
    {
      method: 'DELETE',
      path: one,
      policy: `identity:revoke_${kind}`,
      role: 'admin',
      success: 204,
      summary: `Takes a role on the ${type} from a user`,
      handler: async (request) => {
        await store.transaction(async (trx) => {
          const assignment = await assignmentOf(trx, type, request)
          const held = await unassignRole(trx, assignment)
          if (!held) throw couldNotFind('role assignment', assignment.roleId)
        })
        tokenCacheOf(store).clear()
        return {}
      },
    },
  ]
}

async function holderOf(db: Db, type: RoleTarget['type'], request: ApiRequest) {
  const userId = request.params['user_id']!
  const id = type === 'system' ? 'system' : request.params['id']!
  if (type === 'project' && !(await getProject(db, id))) throw couldNotFind('project', id)
  if (type === 'domain' && !(await getDomain(db, id))) throw couldNotFind('domain', id)
  if (!(await getUser(db, userId))) throw couldNotFind('user', userId)
  const target: RoleTarget = { type, id }
  return { userId, target }
}

async function assignmentOf(db: Db, type: RoleTarget['type'], request: ApiRequest): Promise<RoleAssignment> {
  const roleId = request.params['role_id']!
  const holder = await holderOf(db, type, request)
  if (!(await getRole(db, roleId))) throw couldNotFind('role', roleId)
  return { ...holder, roleId }
}
