import type { IncomingMessage } from 'node:http'

/** What the URL said before it was made plain for the router. */
export interface UrlMarks {
  /** The project id that stood between version and resource. */
  projectId: string | null
  /** The request came to `/compute/v2`, Nova's endpoint for clients that know no microversions. */
  legacy: boolean
}

const marksKey = Symbol('lodge.url-marks')
type Marked = IncomingMessage & { [marksKey]?: UrlMarks }

const none: UrlMarks = { projectId: null, legacy: false }

export const urlMarks = (request: IncomingMessage): UrlMarks => (request as Marked)[marksKey] ?? none

/**
 * Compute URLs may carry the project id after the version (`/compute/v2.1/<project>/servers`), and may name the
 * legacy version. Both are taken out here and remembered, so that the route table has one form of each path.
 */
export function plainUrl(request: IncomingMessage): string {
  // Written for a proxy, a request's target has the scheme and the host, too; they say nothing to us.
  const url = (request.url ?? '/').replace(/^https?:\/\/[^/?#]*\/?/i, '/')
  const match = /^\/compute\/v2(\.1)?(?:\/([0-9a-f-]+)(?=[/?]|$))?(?=[/?]|$)/.exec(url)
  if (!match || (match[1] !== undefined && match[2] === undefined)) return url
  ;(request as Marked)[marksKey] = { projectId: match[2] ?? null, legacy: match[1] === undefined }
  return `/compute/v2.1${url.slice(match[0].length)}`
}
