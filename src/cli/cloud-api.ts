import { readFileSync } from 'node:fs'
import { isErrorKind, LodgeError, messageOf } from '../base/errors.ts'

/** The API as the administrator of a `clouds.yaml` that Lodge wrote. */
export interface CloudApi {
  /**
   * A request below the API's root, such as `/lodge/v1/agents`; JSON both ways.
   * @throws LodgeError with the API's own words for a status of 400 and above
   */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>
}

/** @throws LodgeError badRequest without such a file, unavailable when nobody answers, or as the login was refused */
export async function openCloudApi(cloudsFile: string): Promise<CloudApi> {
  const login = readLogin(cloudsFile)
  const root = login.authUrl.replace(/\/identity\/v3$/, '')
  const domain = { name: 'Default' }
  const answer = await send(`${login.authUrl}/auth/tokens`, 'POST', {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name: login.username, domain, password: login.password } },
      },
      scope: { project: { name: login.project, domain } },
    },
  })
  const token = answer.headers.get('x-subject-token') ?? ''
  return {
    call: async (method, path, body, headers) =>
      (await send(root + path, method, body, { ...headers, 'x-auth-token': token })).body,
  }
}

async function send(url: string, method: string, body: unknown, more: Record<string, string> = {}) {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...more,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    })
    text = await response.text()
  } catch (cause) {
    const reason = messageOf((cause as { cause?: unknown }).cause ?? cause)
    throw new LodgeError('unavailable', `Nothing answers at ${url}: ${reason}`, { cause })
  }
  const answer = text.startsWith('{') ? JSON.parse(text) : {}
  if (response.ok) return { headers: response.headers, body: answer as unknown }
  const kind = { 400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'notFound', 409: 'conflict' }[
    response.status
  ]
  throw new LodgeError(
    isErrorKind(kind) ? kind : 'unavailable',
    answer.error?.message ?? `${method} ${url} answered ${response.status}`,
  )
}

function readLogin(path: string) {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot read ${path}: name the controller's directory with --state`, {
      cause,
    })
  }
  const value = (key: string): string => {
    const quoted = new RegExp(`^\\s*${key}: (".*")$`, 'm').exec(text)?.[1]
    if (quoted === undefined) throw new LodgeError('badRequest', `${path} has no ${key} in Lodge's own form`)
    return JSON.parse(quoted)
  }
  return {
    authUrl: value('auth_url'),
    username: value('username'),
    password: value('password'),
    project: value('project_name'),
  }
}
