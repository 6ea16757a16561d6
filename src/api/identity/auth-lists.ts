import { LodgeError } from '../../base/errors.ts'
import { listDomains, listProjects } from '../../store/identity-projects.ts'
import { listAssignments } from '../../store/identity-roles.ts'
import type { ApiServices, Route } from '../common/route.ts'
import { findSession } from './authenticate.ts'
import { catalogFor } from './catalog.ts'
import { domainView } from './domains.ts'
import { authenticationFailed } from './faults.ts'
import { listing } from './listing.ts'
import { projectView } from './projects.ts'

/** What the sender of a token may have tokens for, and the catalog: /auth/projects, /auth/domains, ... */
export function authListRoutes(services: ApiServices): Route[] {
  const { db } = services.store
  const targetsOf = async (
    userId: string,
    targetType: 'project' | 'domain' | 'system',
  ): Promise<string[]> => {
    const assignments = await listAssignments(db, { userId, targetType })
    return [...new Set(assignments.map(({ target }) => target.id))]
  }
  return [
    {
      method: 'GET',
      path: '/auth/catalog',
      policy: 'identity:get_auth_catalog',
      role: 'any',
      success: 200,
      summary: 'Lists services and their URLs',
      handler: async (request) => {
        const session = await findSession(services, request.caller.token)
        if (!session) throw authenticationFailed()
        if (session.roleRecords.length === 0)
          throw new LodgeError(
            'forbidden',
            'Only tokens with a scope have a catalog: ask for one with auth.scope.',
          )
        return {
          body: {
            catalog: catalogFor(services, request),
            links: { self: `${request.links.versioned}/auth/catalog` },
          },
        }
      },
    },
    {
      method: 'GET',
      path: '/auth/projects',
      policy: 'identity:get_auth_projects',
      role: 'any',
      success: 200,
      summary: 'Lists the projects that the caller may have tokens for',
      handler: async (request) => {
        const ids = await targetsOf(request.caller.userId, 'project')
        const projects = await listProjects(db, { ids, enabled: true })
        const views = projects.map((project) => projectView(request, project))
        return listing(request, 'projects', '/auth/projects', views)
      },
    },
    {
      method: 'GET',
      path: '/auth/domains',
      policy: 'identity:get_auth_domains',
      role: 'any',
      success: 200,
      summary: 'Lists the domains that the caller may have tokens for',
      handler: async (request) => {
        const ids = await targetsOf(request.caller.userId, 'domain')
        const domains = await listDomains(db, { ids, enabled: true })
        const views = domains.map((domain) => domainView(request, domain))
        return listing(request, 'domains', '/auth/domains', views)
      },
    },
    {
      method: 'GET',
      path: '/auth/system',
      policy: 'identity:get_auth_system',
      role: 'any',
      success: 200,
      summary: 'Says whether the caller may have tokens for the system',
      handler: async (request) => {
        const held = await targetsOf(request.caller.userId, 'system')
        return listing(request, 'system', '/auth/system', held.length > 0 ? [{ all: true }] : [])
      },
    },
  ]
}
