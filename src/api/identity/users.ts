import { LodgeError } from '../../base/errors.ts'
import { newHexId } from '../../base/ids.ts'
import { defaultDomainId, type UserRecord } from '../../model/identity.ts'
import { getDomain, listProjects } from '../../store/identity-projects.ts'
import { listAssignments, unassignAll } from '../../store/identity-roles.ts'
import { deleteTokensOfUser } from '../../store/identity-tokens.ts'
import {
  deleteUser,
  findUserByName,
  getUser,
  insertUser,
  listUsers,
  passwordHashOf,
  updateUser,
} from '../../store/identity-users.ts'
import type { Db } from '../../store/store.ts'
import { denied } from '../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { anyString, object, wrapped } from '../common/schema-parts.ts'
import { authenticationFailed, couldNotFind, duplicateName } from './faults.ts'
import { flag, listing, ownAttributes, single } from './listing.ts'
import { hashPassword, maxPasswordLength, verifyPassword } from './passwords.ts'
import { projectView } from './projects.ts'
import { tokenCacheOf } from './token-cache.ts'

const password = { type: 'string', minLength: 1, maxLength: maxPasswordLength }
const attributes = {
  name: { type: 'string', minLength: 1, maxLength: 255, pattern: '\\S' },
  domain_id: { type: 'string', maxLength: 64 },
  enabled: { type: 'boolean' },
  email: { type: ['string', 'null'], maxLength: 255 },
  description: { type: ['string', 'null'], maxLength: 65_535 },
  default_project_id: { type: ['string', 'null'], maxLength: 64 },
  password: { type: ['string', 'null'], minLength: 1, maxLength: maxPasswordLength },
}
const known = Object.keys(attributes)

interface UserBody {
  name?: string
  domain_id?: string
  enabled?: boolean
  email?: string | null
  description?: string | null
  default_project_id?: string | null
  password?: string | null
  [own: string]: unknown
}

/** /users and what hangs below, but for role assignments. */
export function userRoutes(services: ApiServices): Route[] {
  const { store } = services
  const { db } = store

  async function listOf(request: ApiRequest) {
    const users = await listUsers(db, {
      name: single(request, 'name'),
      domainId: single(request, 'domain_id'),
      enabled: flag(request, 'enabled'),
    })
    const views = users.map((user) => userView(request, user))
    return listing(request, 'users', '/users', views)
  }

  async function create(request: ApiRequest) {
    const sent = (request.body as { user: UserBody & { name: string } }).user
    const user: UserRecord = {
      id: newHexId(),
      name: sent.name,
      domainId: sent.domain_id ?? defaultDomainId,
      enabled: sent.enabled ?? true,
      email: sent.email ?? null,
      description: sent.description ?? null,
      defaultProjectId: sent.default_project_id ?? null,
      extra: ownAttributes(sent, known),
    }
    // Without a password nobody can log in: no password has this hash.
    const hash = sent.password == null ? '' : await hashPassword(sent.password)
    await store.transaction(async (trx) => {
      if (!(await getDomain(trx, user.domainId))) throw couldNotFind('domain', user.domainId)
      await refuseTakenName(trx, user)
      await insertUser(trx, user, hash)
    })
    return { body: { user: userView(request, user) } }
  }

  async function update(request: ApiRequest) {
    const id = request.params['id']!
    const sent = (request.body as { user: UserBody }).user
    const hash = sent.password == null ? undefined : await hashPassword(sent.password)
    const user = await store.transaction(async (trx) => {
      const before = await getUser(trx, id)
      if (!before) throw couldNotFind('user', id)
      if (sent.domain_id !== undefined && sent.domain_id !== before.domainId)
        throw new LodgeError('badRequest', "A user's domain cannot be changed.")
      const after: UserRecord = {
        ...before,
        name: sent.name ?? before.name,
        enabled: sent.enabled ?? before.enabled,
        email: sent.email === undefined ? before.email : sent.email,
        description: sent.description === undefined ? before.description : sent.description,
        defaultProjectId:
          sent.default_project_id === undefined ? before.defaultProjectId : sent.default_project_id,
        extra: ownAttributes(sent, known, before.extra),
      }
      if (after.name !== before.name) await refuseTakenName(trx, after)
      await updateUser(trx, after, hash)
      if (hash !== undefined || !after.enabled) await deleteTokensOfUser(trx, id)
      return after
    })
    tokenCacheOf(store).clear()
    return { body: { user: userView(request, user) } }
  }

  async function remove(request: ApiRequest) {
    const id = request.params['id']!
    await store.transaction(async (trx) => {
      if (!(await getUser(trx, id))) throw couldNotFind('user', id)
      await deleteTokensOfUser(trx, id)
      await unassignAll(trx, { userId: id })
      await deleteUser(trx, id)
    })
    tokenCacheOf(store).clear()
    return {}
  }

  async function changePassword(request: ApiRequest) {
    const id = request.params['id']!
    const sent = (request.body as { user: { password: string; original_password: string } }).user
    const user = await getUser(db, id)
    const right = await verifyPassword(sent.original_password, await passwordHashOf(db, id))
    if (!user || !right) throw authenticationFailed()
    const hash = await hashPassword(sent.password)
    await store.transaction(async (trx) => {
      const current = await getUser(trx, id)
      if (!current) throw couldNotFind('user', id)
      await updateUser(trx, current, hash)
      await deleteTokensOfUser(trx, id)
    })
    tokenCacheOf(store).clear()
    return {}
  }

  return [
    {
      method: 'GET',
      path: '/users',
      policy: 'identity:list_users',
      role: 'admin',
      success: 200,
      summary: 'Lists users',
      handler: listOf,
    },
    {
      method: 'POST',
      path: '/users',
      policy: 'identity:create_user',
      role: 'admin',
      success: 201,
      body: [{ schema: wrapped('user', object(attributes, { required: ['name'], open: true })) }],
      summary: 'Creates a user',
      handler: create,
    },
    {
      method: 'GET',
      path: '/users/:id',
      policy: 'identity:get_user',
      role: 'any',
      success: 200,
      summary: 'Shows a user; others than oneself to administrators only',
      handler: async (request) => {
        const id = request.params['id']!
        refuseOthersButAdmin(request, id, 'identity:get_user')
        const user = await getUser(db, id)
        if (!user) throw couldNotFind('user', id)
        return { body: { user: userView(request, user) } }
      },
    },
    {
      method: 'PATCH',
      path: '/users/:id',
      policy: 'identity:update_user',
      role: 'admin',
      success: 200,
      body: [{ schema: wrapped('user', object(attributes, { open: true })) }],
      summary: 'Changes a user; a new password or disabling revokes the tokens',
      handler: update,
    },
    {
      method: 'DELETE',
      path: '/users/:id',
      policy: 'identity:delete_user',
      role: 'admin',
      success: 204,
      summary: 'Deletes a user with tokens and role assignments',
      handler: remove,
    },
    {
      method: 'POST',
      path: '/users/:id/password',
      policy: 'identity:change_password',
      role: 'any',
      success: 204,
      body: [
        {
          schema: wrapped(
            'user',
            object(
              { password, original_password: anyString },
              { required: ['password', 'original_password'] },
            ),
          ),
        },
      ],
      summary: "Changes the password of whoever's password is known, and revokes the tokens",
      handler: changePassword,
    },
    {
      method: 'GET',
      path: '/users/:id/projects',
      policy: 'identity:list_user_projects',
      role: 'any',
      success: 200,
      summary: 'Lists the projects on which a user has a role',
      handler: async (request) => {
        const id = request.params['id']!
        refuseOthersButAdmin(request, id, 'identity:list_user_projects')
        if (!(await getUser(db, id))) throw couldNotFind('user', id)
        const held = await listAssignments(db, { userId: id, targetType: 'project' })
        const projects = await listProjects(db, {
          ids: held.map(({ target }) => target.id),
          name: single(request, 'name'),
          domainId: single(request, 'domain_id'),
          enabled: flag(request, 'enabled'),
        })
        const views = projects.map((project) => projectView(request, project))
        return listing(request, 'projects', `/users/${encodeURIComponent(id)}/projects`, views)
      },
    },
    {
      method: 'GET',
      path: '/users/:id/groups',
      policy: 'identity:list_groups_for_user',
      role: 'any',
      success: 200,
      summary: 'Lists the groups of a user, of which there are none',
      handler: async (request) => {
        const id = request.params['id']!
        refuseOthersButAdmin(request, id, 'identity:list_groups_for_user')
        if (!(await getUser(db, id))) throw couldNotFind('user', id)
        return listing(request, 'groups', `/users/${encodeURIComponent(id)}/groups`, [])
      },
    },
  ]
}

async function refuseTakenName(db: Db, { name, domainId }: UserRecord): Promise<void> {
  if (await findUserByName(db, name, domainId)) throw duplicateName('user', name, domainId)
}

function refuseOthersButAdmin({ caller }: ApiRequest, id: string, policy: string): void {
  if (!caller.isAdmin && caller.userId !== id) throw denied(policy, 'identity')
}

const userView = (request: Pick<ApiRequest, 'links'>, user: UserRecord): object => ({
  ...user.extra,
  id: user.id,
  name: user.name,
  domain_id: user.domainId,
  enabled: user.enabled,
  ...(user.email === null ? {} : { email: user.email }),
  ...(user.description === null ? {} : { description: user.description }),
  ...(user.defaultProjectId === null ? {} : { default_project_id: user.defaultProjectId }),
  options: {},
  password_expires_at: null,
  links: { self: `${request.links.versioned}/users/${user.id}` },
})
