import {
  withImpliedRoles,
  type DomainRecord,
  type ProjectRecord,
  type RoleAssignment,
  type RoleRecord,
  type UserRecord,
} from '../../model/identity.ts'
import { listDomains, listProjects } from '../../store/identity-projects.ts'
import { listAssignments, listRoles, type AssignmentFilter } from '../../store/identity-roles.ts'
import { listUsers } from '../../store/identity-users.ts'
import { denied } from '../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { flag, listing, single } from './listing.ts'

/** GET /role_assignments */
export function roleAssignmentRoutes({ store: { db } }: ApiServices): Route[] {
  async function listOf(request: ApiRequest) {
    const path = '/role_assignments'
    const { caller } = request
    const userId = single(request, 'user.id')
    if (!caller.isAdmin && userId !== caller.userId)
      throw denied('identity:list_role_assignments', 'identity')
    // Groups and inheritance are not offered, so nothing is held through them.
    if (single(request, 'group.id') !== undefined || single(request, 'scope.OS-INHERIT:inherited_to'))
      return listing(request, 'role_assignments', path, [])

    const roleId = single(request, 'role.id')
    const effective = flag(request, 'effective') ?? false
    const given = await listAssignments(db, {
      userId,
      ...scopeFilter(request),
      ...(effective ? {} : { roleId }),
    })
    const roles = await listRoles(db)
    const assignments = effective
      ? expanded(given, roles).filter((one) => roleId === undefined || one.roleId === roleId)
      : given
    const names = flag(request, 'include_names')
      ? {
          roles,
          users: await listUsers(db),
          projects: await listProjects(db),
          domains: await listDomains(db),
        }
      : null
    const views = assignments.map((assignment) => assignmentView(request, assignment, names))
    return listing(request, 'role_assignments', path, views)
  }

  return [
    {
      method: 'GET',
      path: '/role_assignments',
      policy: 'identity:list_role_assignments',
      role: 'any',
      success: 200,
      summary: "Lists who has which role where; others' to administrators only",
      handler: listOf,
    },
  ]
}

function scopeFilter(request: ApiRequest): AssignmentFilter {
  const project = single(request, 'scope.project.id')
  const domain = single(request, 'scope.domain.id')
  if (project !== undefined) return { target: { type: 'project', id: project } }
  if (domain !== undefined) return { target: { type: 'domain', id: domain } }
  return single(request, 'scope.system') === undefined ? {} : { targetType: 'system' }
}

/** The assignments with those that they imply, each once. */
function expanded(given: RoleAssignment[], roles: RoleRecord[]): RoleAssignment[] {
  const nameOf = new Map(roles.map(({ id, name }) => [id, name]))
  const idOf = new Map(roles.map(({ id, name }) => [name, id]))
  const all = new Map<string, RoleAssignment>()
  for (const assignment of given)
    for (const name of withImpliedRoles([nameOf.get(assignment.roleId) ?? ''])) {
      const roleId = idOf.get(name)
      if (roleId === undefined) continue
      const { userId, target } = assignment
      all.set([userId, target.type, target.id, roleId].join(' '), { userId, target, roleId })
    }
  return [...all.values()]
}

interface Names {
  roles: RoleRecord[]
  users: UserRecord[]
  projects: ProjectRecord[]
  domains: DomainRecord[]
}

function assignmentView(request: ApiRequest, assignment: RoleAssignment, names: Names | null): object {
  const { userId, target, roleId } = assignment
  const on = target.type === 'system' ? '/system' : `/${target.type}s/${target.id}`
  return {
    scope: scopeView(target, names),
    role: named(names?.roles, roleId),
    user: inDomain(names?.users, userId, names),
    links: { assignment: `${request.links.versioned}${on}/users/${userId}/roles/${roleId}` },
  }
}

function scopeView(target: RoleAssignment['target'], names: Names | null): object {
  if (target.type === 'system') return { system: { all: true } }
  if (target.type === 'domain') return { domain: named(names?.domains, target.id) }
  return { project: inDomain(names?.projects, target.id, names) }
}

function named(records: { id: string; name: string }[] | undefined, id: string) {
  const record = records?.find((one) => one.id === id)
  return record ? { id, name: record.name } : { id }
}

function inDomain(
  records: { id: string; name: string; domainId: string }[] | undefined,
  id: string,
  names: Names | null,
): object {
  const domainId = records?.find((one) => one.id === id)?.domainId
  return {
    ...named(records, id),
    ...(domainId === undefined ? {} : { domain: named(names?.domains, domainId) }),
  }
}
