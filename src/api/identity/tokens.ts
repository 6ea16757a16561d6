import { randomBytes } from 'node:crypto'
import { LodgeError } from '../../base/errors.ts'
import type { RoleTarget, TokenRecord } from '../../model/identity.ts'
import { deleteExpiredTokens, deleteToken, insertToken } from '../../store/identity-tokens.ts'
import type { Store } from '../../store/store.ts'
import { denied, hasRole } from '../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { authSchema, login, wantedScope, type AuthBody, type Login } from './auth-request.ts'
import { findSession } from './authenticate.ts'
import { catalogFor } from './catalog.ts'
import { authenticationFailed, couldNotFind } from './faults.ts'
import { loadSession, tokenHash, type Session } from './session.ts'
import { tokenCacheOf } from './token-cache.ts'
import { tokenView } from './token-view.ts'

/** POST, GET, HEAD and DELETE of /auth/tokens. */
export function tokenRoutes(services: ApiServices): Route[] {
  return [
    {
      method: 'POST',
      path: '/auth/tokens',
      policy: 'identity:authenticate',
      role: 'none',
      success: 201,
      body: [{ schema: authSchema }],
      summary: 'Gives a token for a password or for another token',
      handler: async (request) => {
        const session = await issueToken(services, (request.body as AuthBody).auth)
        const catalog = catalogWanted(request, session) ? catalogFor(services, request) : undefined
        return { headers: tokenHeaders(session.token), body: tokenView(session, catalog) }
      },
    },
    {
      method: 'GET',
      path: '/auth/tokens',
      policy: 'identity:validate_token',
      role: 'any',
      success: 200,
      summary: 'Shows what a token is for, if it is valid',
      handler: async (request) => {
        const session = await subjectOf(services, request, 'identity:validate_token')
        const catalog = catalogWanted(request, session) ? catalogFor(services, request) : undefined
        return { headers: tokenHeaders(session.token), body: tokenView(session, catalog) }
      },
    },
    {
      method: 'HEAD',
      path: '/auth/tokens',
      policy: 'identity:check_token',
      role: 'any',
      success: 200,
      summary: 'Says whether a token is valid',
      handler: async (request) => {
        const session = await subjectOf(services, request, 'identity:check_token')
        return { headers: tokenHeaders(session.token) }
      },
    },
    {
      method: 'DELETE',
      path: '/auth/tokens',
      policy: 'identity:revoke_token',
      role: 'any',
      success: 204,
      summary: 'Revokes a token',
      handler: async (request) => {
        const session = await subjectOf(services, request, 'identity:revoke_token')
        await deleteToken(services.store.db, session.record.hash)
        tokenCacheOf(services.store).clear()
        return {}
      },
    },
  ]
}

const tokenHeaders = (token: string): Record<string, string> => ({
  'x-subject-token': token,
  vary: 'X-Auth-Token',
})

const catalogWanted = (request: ApiRequest, session: Session): boolean =>
  session.roleRecords.length > 0 && request.query['nocatalog'] === undefined

async function issueToken(services: ApiServices, auth: AuthBody['auth']): Promise<Session> {
  const { store, clock, config } = services
  const known = await login(services, auth)
  const scope = await wantedScope(store.db, known.user, auth.scope)
  const now = clock.now()
  // 256 random bits, kept nowhere but with the client.
  const token = randomBytes(32).toString('base64url')
  const expiresAt = Math.min(known.expiresAt ?? Infinity, now + config.api.tokenHours * 3_600_000)
  const record = recordOf(known, scope, tokenHash(token), now, expiresAt)
  await purgeNowAndThen(store, now)
  const { generation } = tokenCacheOf(store)
  const session = await store.transaction(async (trx) => {
    // Read again here: what was checked above may be gone by now.
    const session = await loadSession(trx, token, record)
    if (!session) throw authenticationFailed()
    await insertToken(trx, record)
    return session
  })
  tokenCacheOf(store).put(record.hash, session, now, generation)
  return session
}

const recordOf = (
  known: Login,
  scope: RoleTarget | null,
  hash: string,
  issuedAt: number,
  expiresAt: number,
): TokenRecord => ({
  hash,
  auditId: randomBytes(16).toString('base64url'),
  userId: known.user.id,
  projectId: scope?.type === 'project' ? scope.id : null,
  domainId: scope?.type === 'domain' ? scope.id : null,
  system: scope?.type === 'system',
  methods: known.methods,
  issuedAt,
  expiresAt,
})

/**
 * The session of the token in X-Subject-Token: one of the caller's own, or anyone's for administrators and services.
 * @throws LodgeError notFound when there is none, forbidden when it is none of the caller's business
 */
async function subjectOf(services: ApiServices, request: ApiRequest, policy: string): Promise<Session> {
  const token = [request.headers['x-subject-token']].flat()[0]
  if (token === undefined || token === '')
    throw new LodgeError('notFound', 'Could not find token: name one in the header X-Subject-Token.')
  const session = await findSession(services, token)
  // The token itself does not belong into an answer that may be logged.
  if (!session) throw couldNotFind('token', 'it is unknown, expired or revoked')
  const own = session.record.userId === request.caller.userId
  if (!own && !hasRole(request.caller, 'service')) throw denied(policy, 'identity')
  return session
}

const purgeIntervalMs = 600_000
const lastPurges = new WeakMap<Store, number>()

/** Expired tokens do no harm; this keeps their table small. */
async function purgeNowAndThen(store: Store, now: number): Promise<void> {
  if (now - (lastPurges.get(store) ?? 0) < purgeIntervalMs) return
  lastPurges.set(store, now)
  await deleteExpiredTokens(store.db, now)
}
