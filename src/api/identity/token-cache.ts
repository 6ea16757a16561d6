import type { Store } from '../../store/store.ts'
import type { Session } from './session.ts'

/** How long what was read may be used, so that several controllers agree within that time. Milliseconds. */
const maxAgeMs = 5000
const maxEntries = 10_000

/**
 * Sessions by their token's hash. Whatever changes who may do what (a user, a project, a role, an assignment, a
 * revoked token) clears it; a session read from the store before such a change and put in after it is refused.
 */
export class TokenCache {
  #entries = new Map<string, { session: Session; until: number }>()
  #generation = 0

  get(hash: string, now: number): Session | undefined {
    const entry = this.#entries.get(hash)
    if (!entry) return undefined
    if (now < entry.until) return entry.session
    this.#entries.delete(hash)
    return undefined
  }

  /** Ask before reading from the store, hand to `put`. */
  get generation(): number {
    return this.#generation
  }

  put(hash: string, session: Session, now: number, generation: number): void {
    if (generation !== this.#generation) return
    if (this.#entries.size >= maxEntries) {
      const oldest = this.#entries.keys().next()
      if (!oldest.done) this.#entries.delete(oldest.value)
    }
    this.#entries.set(hash, { session, until: Math.min(now + maxAgeMs, session.record.expiresAt) })
  }

  clear(): void {
    this.#generation++
    this.#entries.clear()
  }
}

const caches = new WeakMap<Store, TokenCache>()

/** The cache in front of this store: one per process and store. */
export function tokenCacheOf(store: Store): TokenCache {
  const known = caches.get(store)
  if (known) return known
  const cache = new TokenCache()
  caches.set(store, cache)
  return cache
}
