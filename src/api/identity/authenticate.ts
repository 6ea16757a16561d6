import { deleteToken, findToken } from '../../store/identity-tokens.ts'
import type { ApiServices, Caller } from '../common/route.ts'
import { loadSession, tokenHash, type Session } from './session.ts'
import { tokenCacheOf } from './token-cache.ts'

/** No token that we gave is longer. */
const maxTokenLength = 255

/**
 * Who sends this token: undefined when it is unknown, expired or revoked, or when its user, project or roles are gone
 * or disabled. Costs a hash and a look into a map for tokens seen in the last seconds.
 */
export async function authenticate(services: AuthServices, token: string): Promise<Caller | undefined> {
  return await findSession(services, token)
}

export type AuthServices = Pick<ApiServices, 'store' | 'clock'>

/** As `authenticate`, with all that identity knows of the token. */
export async function findSession(services: AuthServices, token: string): Promise<Session | undefined> {
  if (token === '' || token.length > maxTokenLength) return undefined
  const { store } = services
  const hash = tokenHash(token)
  const now = services.clock.now()
  const cache = tokenCacheOf(store)
  const cached = cache.get(hash, now)
  if (cached) return cached

  const { generation } = cache
  const record = await findToken(store.db, hash)
  if (!record) return undefined
  if (record.expiresAt <= now) {
    await deleteToken(store.db, hash)
    return undefined
  }
  const session = await loadSession(store.db, token, record)
  if (session) cache.put(hash, session, now, generation)
  return session
}
