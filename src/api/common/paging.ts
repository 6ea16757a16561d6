import type { Config } from '../../base/config.ts'
import { LodgeError } from '../../base/errors.ts'
import type { Link } from './links.ts'
import type { ApiRequest } from './route.ts'

export interface Page {
  /** At most `api.maxLimit`. May be 0 if the client asked so; see `limitOrMax`. */
  limit: number
  marker: string | null
}

/**
 * The page that a list request asks for, bounded by `api.maxLimit`.
 * @throws LodgeError badRequest for a limit that is no whole number from 0 on
 */
export function pageOf(request: Pick<ApiRequest, 'query'>, config: Config): Page {
  const text = request.query['limit']?.at(-1)
  const marker = request.query['marker']?.at(-1) ?? null
  if (text === undefined || text === '') return { limit: config.api.maxLimit, marker }
  if (!/^\d{1,15}$/.test(text))
    throw new LodgeError('badRequest', 'limit must be an integer that is not negative')
  return { limit: Math.min(Number(text), config.api.maxLimit), marker }
}

/** For lists that Nova cuts with `limited()`: there a limit of 0 means the largest page. */
export const limitOrMax = (page: Page, config: Config): number =>
  page.limit === 0 ? config.api.maxLimit : page.limit

/**
 * `next` of a full page: the original query with the last item's marker. Empty when the page is not full.
 * `path` is that of the list below the version, such as `/servers/detail`.
 */
export function nextLinks(
  request: Pick<ApiRequest, 'links' | 'query'>,
  path: string,
  limit: number,
  ids: readonly string[],
): Link[] {
  const last = ids.at(-1)
  if (last === undefined || ids.length < limit) return []
  const query = new URLSearchParams()
  for (const [key, values] of Object.entries(request.query))
    if (key !== 'marker') for (const value of values) query.append(key, value)
  query.append('marker', last)
  return [{ rel: 'next', href: `${request.links.versioned}${path}?${query}` }]
}
