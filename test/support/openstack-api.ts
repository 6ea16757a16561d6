/** The few OpenStack calls that tests, the fault runs and the benchmarks make, over plain HTTP. */
import { readFileSync } from 'node:fs'
import { LodgeError } from '../../src/base/errors.ts'

export interface Answer {
  status: number
  headers: Headers
  // Tests look into answers of every shape; their assertions are the check.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

export interface OpenStackApi {
  readonly url: string
  readonly token: string
  readonly projectId: string
  /** A request below the root, such as `/compute/v2.1/servers`; JSON both ways. Any status is an answer. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The same, and throws for a status of 400 and above. */
  must(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** Who logs in; user and project are in the domain Default. */
export interface Credentials {
  user: string
  password: string
  project: string
}

/** Logs in with the cloud `lodge` of a clouds.yaml. `version` is the microversion of the compute calls. */
export function login(cloudsFile: string, url: string, version = '2.96'): Promise<OpenStackApi> {
  return loginAs({ user: 'admin', password: readPassword(cloudsFile), project: 'admin' }, url, version)
}

/** As `login`, for anyone. */
export async function loginAs(who: Credentials, url: string, version = '2.96'): Promise<OpenStackApi> {
  const domain = { id: 'default' }
  const user = { name: who.user, domain, password: who.password }
  const answer = await fetch(`${url}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user } },
        scope: { project: { name: who.project, domain } },
      },
    }),
  })
  const token = answer.headers.get('x-subject-token')
  if (!token) throw new LodgeError('unauthorized', `login answered ${answer.status}: ${await answer.text()}`)
  const { project } = ((await answer.json()) as { token: { project: { id: string } } }).token

  const call: OpenStackApi['call'] = async (method, path, body, headers = {}) => {
    const isData = body instanceof Uint8Array
    const request: RequestInit = {
      method,
      headers: {
        'x-auth-token': token,
        'openstack-api-version': `compute ${version}`,
        ...(body !== undefined && {
          'content-type': isData ? 'application/octet-stream' : 'application/json',
        }),
        ...headers,
      },
      body:
        body === undefined ? undefined : isData ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    }
    const reply = await fetch(`${url}${path}`, request)
    const text = await reply.text()
    const json = /json/.test(reply.headers.get('content-type') ?? '')
    return { status: reply.status, headers: reply.headers, body: json && text ? JSON.parse(text) : text }
  }
  const must: OpenStackApi['must'] = async (method, path, body, headers) => {
    const reply = await call(method, path, body, headers)
    if (reply.status < 400) return reply
    throw new LodgeError(
      'internal',
      `${method} ${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`,
    )
  }
  return { url, token, projectId: project.id, call, must }
}

/** The password in a clouds.yaml that Lodge wrote. */
export function readPassword(cloudsFile: string): string {
  const quoted = /^\s*"?password"?:\s*(".*")\s*,?$/m.exec(readFileSync(cloudsFile, 'utf8'))?.[1]
  if (quoted === undefined) throw new LodgeError('notFound', `no password in ${cloudsFile}`)
  return JSON.parse(quoted)
}
