import { LodgeError } from '../../base/errors.ts'
import { newHexId } from '../../base/ids.ts'
import { defaultDomainId, type DomainRecord } from '../../model/identity.ts'
import {
  deleteDomain,
  getDomain,
  getProject,
  listDomains,
  listProjects,
  saveDomain,
} from '../../store/identity-projects.ts'
import { unassignAll } from '../../store/identity-roles.ts'
import {
  deleteTokensOfDomain,
  deleteTokensOfProject,
  deleteTokensOfUser,
} from '../../store/identity-tokens.ts'
import { deleteUser, listUsers } from '../../store/identity-users.ts'
import type { Db } from '../../store/store.ts'
import { denied } from '../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { object, wrapped } from '../common/schema-parts.ts'
import { couldNotFind, duplicateName } from './faults.ts'
import { flag, listing, single } from './listing.ts'
import { removeProject } from './projects.ts'
import { tokenCacheOf } from './token-cache.ts'

const attributes = {
  name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' },
  enabled: { type: 'boolean' },
  description: { type: ['string', 'null'], maxLength: 65_535 },
}

interface DomainBody {
  name?: string
  enabled?: boolean
  description?: string | null
}

/** /domains */
export function domainRoutes(services: ApiServices): Route[] {
  const { store } = services
  const { db } = store

  async function create(request: ApiRequest) {
    const sent = (request.body as { domain: DomainBody & { name: string } }).domain
    const domain: DomainRecord = {
      id: newHexId(),
      name: sent.name,
      enabled: sent.enabled ?? true,
      description: sent.description ?? '',
    }
    await store.transaction(async (trx) => {
      await refuseTakenName(trx, domain.name)
      await saveDomain(trx, domain)
    })
    return { body: { domain: domainView(request, domain) } }
  }

  async function update(request: ApiRequest) {
    const id = request.params['id']!
    const sent = (request.body as { domain: DomainBody }).domain
    const domain = await store.transaction(async (trx) => {
      const before = await getDomain(trx, id)
      if (!before) throw couldNotFind('domain', id)
      const after: DomainRecord = {
        id,
        name: sent.name ?? before.name,
        enabled: sent.enabled ?? before.enabled,
        description: sent.description === undefined ? before.description : (sent.description ?? ''),
      }
      if (after.name !== before.name) await refuseTakenName(trx, after.name)
      if (id === defaultDomainId && !after.enabled)
        throw new LodgeError('forbidden', 'The default domain cannot be disabled.')
      await saveDomain(trx, after)
      if (!after.enabled) await revokeAllIn(trx, id)
      return after
    })
    tokenCacheOf(store).clear()
    return { body: { domain: domainView(request, domain) } }
  }

  async function remove(request: ApiRequest) {
    const id = request.params['id']!
    await store.transaction(async (trx) => {
      const domain = await getDomain(trx, id)
      if (!domain) throw couldNotFind('domain', id)
      if (id === defaultDomainId) throw new LodgeError('forbidden', 'The default domain cannot be deleted.')
      if (domain.enabled)
        throw new LodgeError('forbidden', 'Cannot delete a domain that is enabled, please disable it first.')
      await removeDomain(trx, id)
    })
    tokenCacheOf(store).clear()
    return {}
  }

  return [
    {
      method: 'GET',
      path: '/domains',
      policy: 'identity:list_domains',
      role: 'admin',
      success: 200,
      summary: 'Lists domains',
      handler: async (request) => {
        const domains = await listDomains(db, {
          name: single(request, 'name'),
          enabled: flag(request, 'enabled'),
        })
        const views = domains.map((domain) => domainView(request, domain))
        return listing(request, 'domains', '/domains', views)
      },
    },
    {
      method: 'POST',
      path: '/domains',
      policy: 'identity:create_domain',
      role: 'admin',
      success: 201,
      body: [{ schema: wrapped('domain', object(attributes, { required: ['name'], open: true })) }],
      summary: 'Creates a domain',
      handler: create,
    },
    {
      method: 'GET',
      path: '/domains/:id',
      policy: 'identity:get_domain',
      role: 'any',
      success: 200,
      summary: "Shows a domain; others than that of one's project to administrators only",
      handler: async (request) => {
        const id = request.params['id']!
        const { isAdmin, projectId } = request.caller
        const project = projectId === null ? undefined : await getProject(db, projectId)
        if (!isAdmin && project?.domainId !== id) throw denied('identity:get_domain', 'identity')
        const domain = await getDomain(db, id)
        if (!domain) throw couldNotFind('domain', id)
        return { body: { domain: domainView(request, domain) } }
      },
    },
    {
      method: 'PATCH',
      path: '/domains/:id',
      policy: 'identity:update_domain',
      role: 'admin',
      success: 200,
      body: [{ schema: wrapped('domain', object(attributes, { open: true })) }],
      summary: 'Changes a domain; disabling it revokes the tokens of its users and projects',
      handler: update,
    },
    {
      method: 'DELETE',
      path: '/domains/:id',
      policy: 'identity:delete_domain',
      role: 'admin',
      success: 204,
      summary: 'Deletes a disabled domain with its users and projects',
      handler: remove,
    },
  ]
}

async function refuseTakenName(db: Db, name: string): Promise<void> {
  const taken = await listDomains(db, { name })
  if (taken.length > 0) throw duplicateName('domain', name)
}

/** Revokes the tokens of the domain, of its users, and of its projects. */
async function revokeAllIn(db: Db, domainId: string): Promise<void> {
  await deleteTokensOfDomain(db, domainId)
  for (const project of await listProjects(db, { domainId })) await deleteTokensOfProject(db, project.id)
  for (const user of await listUsers(db, { domainId })) await deleteTokensOfUser(db, user.id)
}

async function removeDomain(db: Db, id: string): Promise<void> {
  await revokeAllIn(db, id)
  for (const project of await listProjects(db, { domainId: id })) await removeProject(db, project.id)
  for (const user of await listUsers(db, { domainId: id })) {
    await unassignAll(db, { userId: user.id })
    await deleteUser(db, user.id)
  }
  await unassignAll(db, { target: { type: 'domain', id } })
  await deleteDomain(db, id)
}

export const domainView = (request: Pick<ApiRequest, 'links'>, domain: DomainRecord): object => ({
  id: domain.id,
  name: domain.name,
  description: domain.description,
  enabled: domain.enabled,
  tags: [],
  options: {},
  links: { self: `${request.links.versioned}/domains/${domain.id}` },
})
