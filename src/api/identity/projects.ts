import { LodgeError } from '../../base/errors.ts'
import { newHexId } from '../../base/ids.ts'
import { defaultDomainId, type ProjectRecord } from '../../model/identity.ts'
import {
  deleteProject,
  getDomain,
  getProject,
  listProjects,
  saveProject,
} from '../../store/identity-projects.ts'
import { unassignAll } from '../../store/identity-roles.ts'
import { deleteTokensOfProject } from '../../store/identity-tokens.ts'
import type { Db } from '../../store/store.ts'
import { denied } from '../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { object, wrapped } from '../common/schema-parts.ts'
import { couldNotFind, duplicateName } from './faults.ts'
import { flag, listing, ownAttributes, single } from './listing.ts'
import { tokenCacheOf } from './token-cache.ts'

const attributes = {
  name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' },
  domain_id: { type: ['string', 'null'], maxLength: 64 },
  parent_id: { type: ['string', 'null'], maxLength: 64 },
  is_domain: { type: 'boolean' },
  enabled: { type: 'boolean' },
  description: { type: ['string', 'null'], maxLength: 65_535 },
  tags: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 255 }, maxItems: 80 },
}
// Tags are kept among the client's own attributes.
const known = Object.keys(attributes).filter((key) => key !== 'tags')

interface ProjectBody {
  name?: string
  domain_id?: string | null
  parent_id?: string | null
  is_domain?: boolean
  enabled?: boolean
  description?: string | null
  [own: string]: unknown
}

/** /projects. Projects stand side by side: Keystone's trees of projects are not offered. */
export function projectRoutes(services: ApiServices): Route[] {
  const { store } = services
  const { db } = store

  async function listOf(request: ApiRequest) {
    const projects = await listProjects(db, {
      name: single(request, 'name'),
      domainId: single(request, 'domain_id') ?? single(request, 'parent_id'),
      enabled: flag(request, 'enabled'),
      // Domains are not projects here.
      ...(flag(request, 'is_domain') === true ? { ids: [] } : {}),
    })
    const views = projects.map((project) => projectView(request, project))
    return listing(request, 'projects', '/projects', views)
  }

  async function create(request: ApiRequest) {
    const sent = (request.body as { project: ProjectBody & { name: string } }).project
    const domainId = sent.domain_id ?? sent.parent_id ?? defaultDomainId
    if (sent.is_domain === true)
      throw new LodgeError(
        'badRequest',
        'A project cannot act as a domain here: create a domain at /domains.',
      )
    if (sent.parent_id != null && sent.parent_id !== domainId) throw notNested()
    const project: ProjectRecord = {
      id: newHexId(),
      name: sent.name,
      domainId,
      enabled: sent.enabled ?? true,
      description: sent.description ?? '',
      extra: ownAttributes(sent, known),
    }
    await store.transaction(async (trx) => {
      if (!(await getDomain(trx, domainId))) {
        if (sent.parent_id != null && (await getProject(trx, sent.parent_id))) throw notNested()
        throw couldNotFind('domain', domainId)
      }
      await refuseTakenName(trx, project)
      await saveProject(trx, project)
    })
    return { body: { project: projectView(request, project) } }
  }

  async function update(request: ApiRequest) {
    const id = request.params['id']!
    const sent = (request.body as { project: ProjectBody }).project
    const project = await store.transaction(async (trx) => {
      const before = await getProject(trx, id)
      if (!before) throw couldNotFind('project', id)
      for (const key of ['domain_id', 'parent_id'] as const)
        if (sent[key] != null && sent[key] !== before.domainId)
          throw new LodgeError('badRequest', `A project's ${key} cannot be changed.`)
      const after: ProjectRecord = {
        ...before,
        name: sent.name ?? before.name,
        enabled: sent.enabled ?? before.enabled,
        description: sent.description === undefined ? before.description : (sent.description ?? ''),
        extra: ownAttributes(sent, known, before.extra),
      }
      if (after.name !== before.name) await refuseTakenName(trx, after)
      await saveProject(trx, after)
      if (!after.enabled) await deleteTokensOfProject(trx, id)
      return after
    })
    tokenCacheOf(store).clear()
    return { body: { project: projectView(request, project) } }
  }

  async function remove(request: ApiRequest) {
    const id = request.params['id']!
    await store.transaction(async (trx) => {
      if (!(await getProject(trx, id))) throw couldNotFind('project', id)
      await removeProject(trx, id)
    })
    tokenCacheOf(store).clear()
    return {}
  }

  return [
    {
      method: 'GET',
      path: '/projects',
      policy: 'identity:list_projects',
      role: 'admin',
      success: 200,
      summary: 'Lists projects',
      handler: listOf,
    },
    {
      method: 'POST',
      path: '/projects',
      policy: 'identity:create_project',
      role: 'admin',
      success: 201,
      body: [{ schema: wrapped('project', object(attributes, { required: ['name'], open: true })) }],
      summary: 'Creates a project',
      handler: create,
    },
    {
      method: 'GET',
      path: '/projects/:id',
      policy: 'identity:get_project',
      role: 'any',
      success: 200,
      summary: "Shows a project; others than the token's to administrators only",
      handler: async (request) => {
        const id = request.params['id']!
        const { caller } = request
        if (!caller.isAdmin && caller.projectId !== id) throw denied('identity:get_project', 'identity')
        const project = await getProject(db, id)
        if (!project) throw couldNotFind('project', id)
        return { body: { project: projectView(request, project) } }
      },
    },
    {
      method: 'PATCH',
      path: '/projects/:id',
      policy: 'identity:update_project',
      role: 'admin',
      success: 200,
      body: [{ schema: wrapped('project', object(attributes, { open: true })) }],
      summary: 'Changes a project; disabling it revokes its tokens',
      handler: update,
    },
    {
      method: 'DELETE',
      path: '/projects/:id',
      policy: 'identity:delete_project',
      role: 'admin',
      success: 204,
      summary: 'Deletes a project with its tokens and role assignments',
      handler: remove,
    },
  ]
}

/** The project with all that identity knows of it. */
export async function removeProject(db: Db, id: string): Promise<void> {
  await deleteTokensOfProject(db, id)
  await unassignAll(db, { target: { type: 'project', id } })
  await deleteProject(db, id)
}

const notNested = (): LodgeError =>
  new LodgeError('badRequest', 'Projects cannot be nested here: leave parent_id out.')

async function refuseTakenName(db: Db, { name, domainId }: ProjectRecord): Promise<void> {
  const taken = await listProjects(db, { name, domainId })
  if (taken.length > 0) throw duplicateName('project', name, domainId)
}

export const projectView = (request: Pick<ApiRequest, 'links'>, project: ProjectRecord): object => ({
  tags: [],
  ...project.extra,
  id: project.id,
  name: project.name,
  domain_id: project.domainId,
  description: project.description,
  enabled: project.enabled,
  parent_id: project.domainId,
  is_domain: false,
  options: {},
  links: { self: `${request.links.versioned}/projects/${project.id}` },
})
