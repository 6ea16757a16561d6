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
  const url = withPlainLetters((request.url ?? '/').replace(/^https?:\/\/[^/?#]*\/?/i, '/'))
  const match = /^\/compute\/v2(\.1)?(?:\/([0-9a-f-]+)(?=[/?]|$))?(?=[/?]|$)/.exec(url)
  if (!match || (match[1] !== undefined && match[2] === undefined)) return url
  ;(request as Marked)[marksKey] = { projectId: match[2] ?? null, legacy: match[1] === undefined }
  return `/compute/v2.1${url.slice(match[0].length)}`
}

/**
 * The path with its needlessly encoded characters in the clear (RFC 3986, 6.2.2.2), as the router reads it: whoever
 * looks at the path, for the service that it belongs to, sees the same.
 */
function withPlainLetters(url: string): string {
  if (!url.includes('%')) return url
  const end = url.search(/[?#]/)
  const path = end < 0 ? url : url.slice(0, end)
  const plain = path.replace(/%[0-7][0-9a-f]/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded
  })
  return plain + url.slice(path.length)
}
