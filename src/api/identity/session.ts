import { hash } from 'node:crypto'
import {
  withImpliedRoles,
  type DomainRecord,
  type ProjectRecord,
  type RoleRecord,
  type RoleTarget,
  type TokenRecord,
  type UserRecord,
} from '../../model/identity.ts'
import { getDomain, getProject } from '../../store/identity-projects.ts'
import { listRoles, rolesOn } from '../../store/identity-roles.ts'
import { getUser } from '../../store/identity-users.ts'
import type { Db } from '../../store/store.ts'
import type { Caller } from '../common/route.ts'

/** A caller with all that identity itself wants to know of the token. */
export interface Session extends Caller {
  record: TokenRecord
  user: UserRecord
  userDomain: DomainRecord
  project: ProjectRecord | null
  projectDomain: DomainRecord | null
  /** Of tokens scoped to a domain. */
  domain: DomainRecord | null
  /** With implied ones. */
  roleRecords: RoleRecord[]
}

/** What of a token is kept. */
export const tokenHash = (token: string): string => hash('sha256', token, 'hex')

/** What the token is for; null when it is for nothing but to be exchanged. */
export function scopeOf(record: TokenRecord): RoleTarget | null {
  if (record.projectId !== null) return { type: 'project', id: record.projectId }
  if (record.domainId !== null) return { type: 'domain', id: record.domainId }
  return record.system ? { type: 'system', id: 'system' } : null
}

/**
 * The session of a token as things stand: undefined when its user or scope is gone or disabled, or when the user
 * holds no role on the scope any more (as Keystone does, which looks the roles up at each validation).
 */
export async function loadSession(db: Db, token: string, record: TokenRecord): Promise<Session | undefined> {
  const user = await getUser(db, record.userId)
  if (!user?.enabled) return undefined
  const userDomain = await getDomain(db, user.domainId)
  if (!userDomain?.enabled) return undefined

  const project = record.projectId === null ? null : await getProject(db, record.projectId)
  if (project === undefined || project?.enabled === false) return undefined
  const projectDomain = project === null ? null : await getDomain(db, project.domainId)
  if (projectDomain === undefined || projectDomain?.enabled === false) return undefined
  const domain = record.domainId === null ? null : await getDomain(db, record.domainId)
  if (domain === undefined || domain?.enabled === false) return undefined

  const scope = scopeOf(record)
  const roleRecords = scope ? await effectiveRoles(db, user.id, scope) : []
  if (scope && roleRecords.length === 0) return undefined
  const roles = roleRecords.map(({ name }) => name)
  return {
    userId: user.id,
    userName: user.name,
    projectId: project?.id ?? null,
    projectName: project?.name ?? null,
    roles,
    isAdmin: roles.includes('admin'),
    token,
    record,
    user,
    userDomain,
    project,
    projectDomain,
    domain,
    roleRecords,
  }
}

/** The roles that a user has on a target, with those they imply. */
export async function effectiveRoles(db: Db, userId: string, target: RoleTarget): Promise<RoleRecord[]> {
  const given = await rolesOn(db, userId, target)
  if (given.length === 0) return []
  const names = withImpliedRoles(given.map(({ name }) => name))
  if (names.length === given.length) return given
  return (await listRoles(db)).filter(({ name }) => names.includes(name))
}
