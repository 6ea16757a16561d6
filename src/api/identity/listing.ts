import type { ApiReply, ApiRequest } from '../common/route.ts'

/** The answer to a list: Keystone's, all on one page. `path` is the list's below the version, such as `/users`. */
export const listing = (
  request: Pick<ApiRequest, 'links'>,
  key: string,
  path: string,
  items: object[],
): ApiReply => ({
  body: { [key]: items, links: { next: null, self: request.links.versioned + path, previous: null } },
})

/** The last value of a query's key; undefined when it is not there. */
export const single = (request: Pick<ApiRequest, 'query'>, key: string): string | undefined =>
  request.query[key]?.at(-1)

/** A flag in a query by Keystone's rule: there means yes, unless it says no. */
export function flag(request: Pick<ApiRequest, 'query'>, key: string): boolean | undefined {
  const value = single(request, key)
  return value === undefined ? undefined : !/^(0|false|no|off|n|f)$/i.test(value)
}

/** The attributes of the client's own among those sent, without those that mean something to us. */
export function ownAttributes(
  sent: Record<string, unknown>,
  known: readonly string[],
  before: Record<string, unknown> = {},
): Record<string, unknown> {
  const entries = Object.entries(sent).filter(([key]) => !known.includes(key) && !computed.has(key))
  return Object.fromEntries([...Object.entries(before), ...entries].filter(([key]) => sent[key] !== null))
}

const computed = new Set(['id', 'links', 'options', 'password_expires_at', 'federated', 'password_hash'])
