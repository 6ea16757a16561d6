import { LodgeError } from '../../base/errors.ts'
import { defaultDomainId, type DomainRecord, type RoleTarget, type UserRecord } from '../../model/identity.ts'
import { getDomain, getProject, listDomains, listProjects } from '../../store/identity-projects.ts'
import { findUserByName, getUser, passwordHashOf } from '../../store/identity-users.ts'
import type { Db } from '../../store/store.ts'
import { anyString, object, wrapped } from '../common/schema-parts.ts'
import { findSession, type AuthServices } from './authenticate.ts'
import { authenticationFailed } from './faults.ts'
import { maxPasswordLength, verifyPassword } from './passwords.ts'
import { effectiveRoles } from './session.ts'

interface Named {
  id?: string
  name?: string
}
interface InDomain extends Named {
  domain?: Named
}

export interface AuthBody {
  auth: {
    identity: {
      methods: string[]
      password?: { user: InDomain & { password: string } }
      token?: { id: string }
    }
    scope?: 'unscoped' | { unscoped?: object; project?: InDomain; domain?: Named; system?: { all?: boolean } }
  }
}

const named = { id: anyString, name: anyString }
const domain = object(named, { open: true })
const inDomain = { ...named, domain }

export const authSchema = wrapped(
  'auth',
  object(
    {
      identity: object(
        {
          methods: { type: 'array', items: anyString, minItems: 1, maxItems: 10 },
          password: wrapped(
            'user',
            object(
              { ...inDomain, password: { type: 'string', maxLength: maxPasswordLength } },
              { required: ['password'], open: true },
            ),
          ),
          token: object({ id: anyString }, { required: ['id'], open: true }),
        },
        { required: ['methods'], open: true },
      ),
      scope: {
        anyOf: [
          { const: 'unscoped' },
          object(
            {
              project: object(inDomain, { open: true }),
              domain,
              system: object({ all: { type: 'boolean' } }),
              unscoped: { type: 'object' },
            },
            { open: true },
          ),
        ],
      },
    },
    { required: ['identity'], open: true },
  ),
)

export interface Login {
  user: UserRecord
  methods: string[]
  /** Of the token that was exchanged: the new one does not outlive it. */
  expiresAt: number | null
}

/**
 * Finds out who sends the request, by all the methods that it names.
 * @throws LodgeError unauthorized, in the same words and after the same time whatever is wrong
 */
export async function login(services: AuthServices, { identity }: AuthBody['auth']): Promise<Login> {
  const methods = [...new Set(identity.methods)]
  const logins: Login[] = []
  for (const method of methods) {
    if (method === 'password' && identity.password)
      logins.push(await loginByPassword(services, identity.password.user))
    else if (method === 'token' && identity.token)
      logins.push(await loginByToken(services, identity.token.id))
    else if (method === 'password' || method === 'token')
      throw new LodgeError('badRequest', `auth.identity.${method} is missing, though the methods name it.`)
    else throw new LodgeError('unauthorized', `The method ${method.slice(0, 64)} is not supported.`)
  }
  const [first] = logins
  if (!first || logins.some(({ user }) => user.id !== first.user.id)) throw authenticationFailed()
  return {
    user: first.user,
    methods: [...new Set(logins.flatMap((one) => one.methods))],
    expiresAt: logins.find((one) => one.expiresAt !== null)?.expiresAt ?? null,
  }
}

async function loginByPassword(
  { store: { db } }: AuthServices,
  sent: InDomain & { password: string },
): Promise<Login> {
  const user = await findUser(db, sent)
  const right = await verifyPassword(sent.password, user && (await passwordHashOf(db, user.id)))
  if (!user || !right || !user.enabled) throw authenticationFailed()
  const domain = await getDomain(db, user.domainId)
  if (!domain?.enabled) throw authenticationFailed()
  return { user, methods: ['password'], expiresAt: null }
}

async function loginByToken(services: AuthServices, token: string): Promise<Login> {
  const session = await findSession(services, token)
  if (!session) throw authenticationFailed()
  const { user, record } = session
  return { user, methods: [...record.methods, 'token'], expiresAt: record.expiresAt }
}

async function findUser(db: Db, sent: InDomain): Promise<UserRecord | undefined> {
  if (sent.id !== undefined) return await getUser(db, sent.id)
  if (sent.name === undefined)
    throw new LodgeError('badRequest', 'Give auth.identity.password.user an id, or a name and a domain.')
  const domain = await findDomain(db, sent.domain)
  return domain && (await findUserByName(db, sent.name, domain.id))
}

async function findDomain(db: Db, sent: Named | undefined): Promise<DomainRecord | undefined> {
  if (sent?.id === undefined && sent?.name !== undefined)
    return (await listDomains(db, { name: sent.name }))[0]
  return await getDomain(db, sent?.id ?? defaultDomainId)
}

/**
 * What the new token is to be for; null: nothing. Without a wish it is the user's default project if that can be
 * had, as with Keystone.
 * @throws LodgeError unauthorized when there is no such project or domain, it is disabled, or the user has no role on it
 */
export async function wantedScope(
  db: Db,
  user: UserRecord,
  wish: AuthBody['auth']['scope'],
): Promise<RoleTarget | null> {
  if (wish === undefined) {
    if (user.defaultProjectId === null) return null
    const target: RoleTarget = { type: 'project', id: user.defaultProjectId }
    return (await isUsable(db, user, target)) ? target : null
  }
  if (wish === 'unscoped' || wish.unscoped) return null
  const target = await targetOf(db, wish)
  if (!target || !(await isUsable(db, user, target))) throw authenticationFailed()
  return target
}

async function targetOf(
  db: Db,
  wish: Exclude<NonNullable<AuthBody['auth']['scope']>, string>,
): Promise<RoleTarget | undefined> {
  if (wish.project) {
    const id = wish.project.id ?? (await findProjectByName(db, wish.project))?.id
    return id === undefined ? undefined : { type: 'project', id }
  }
  if (wish.domain) {
    const domain = await findDomain(db, wish.domain)
    return domain && { type: 'domain', id: domain.id }
  }
  if (wish.system?.all) return { type: 'system', id: 'system' }
  throw new LodgeError(
    'badRequest',
    'auth.scope takes one of: project, domain, system {"all": true}, unscoped {}.',
  )
}

async function findProjectByName(db: Db, sent: InDomain) {
  if (sent.name === undefined)
    throw new LodgeError('badRequest', 'Give auth.scope.project an id, or a name and a domain.')
  const domain = await findDomain(db, sent.domain)
  return domain && (await listProjects(db, { name: sent.name, domainId: domain.id }))[0]
}

/** Is the target there and enabled, and has the user a role on it? */
async function isUsable(db: Db, user: UserRecord, target: RoleTarget): Promise<boolean> {
  if (target.type !== 'system') {
    const project = target.type === 'project' ? await getProject(db, target.id) : undefined
    if (target.type === 'project' && !project?.enabled) return false
    if (!(await getDomain(db, project?.domainId ?? target.id))?.enabled) return false
  }
  return (await effectiveRoles(db, user.id, target)).length > 0
}
