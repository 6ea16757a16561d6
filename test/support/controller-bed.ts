import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { createApi } from '../../src/api/http.ts'
import type { ApiServices } from '../../src/api/common/route.ts'
import { authenticate } from '../../src/api/identity/authenticate.ts'
import { identityRoutes } from '../../src/api/identity/routes.ts'
import { imageRoutes } from '../../src/api/image/routes.ts'
import { lodgeRoutes } from '../../src/api/lodge/routes.ts'
import { networkRoutes } from '../../src/api/network/routes.ts'
import type { Clock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { bootstrap } from '../../src/daemon/bootstrap.ts'
import { createImageFiles, type ImageStore } from '../../src/daemon/image-files.ts'
import type { Store } from '../../src/store/store.ts'
import { openTestStore } from './test-store.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | number | undefined>
  // Tests know what they asked for.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
  raw: Buffer
}

export interface CallOptions {
  /** The administrator's when absent; null: none. */
  token?: string | null
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is. */
  data?: string | Buffer
  headers?: Record<string, string>
}

/** Identity, image and network over a store of their own, without compute: what a controller is before it has hosts. */
export interface ControllerBed {
  app: FastifyInstance
  store: Store
  services: ApiServices
  images: ImageStore
  directory: string
  password: string
  adminToken: string
  /** `what`: `GET /identity/v3/users`. */
  call(what: string, options?: CallOptions): Promise<Answer>
  /** A token for a project, or unscoped when that is null. */
  login(user: string, password: string, project?: string | null): Promise<Answer>
  /** A new user with a role on a new project, and a token for it. */
  newcomer(name: string, role: string): Promise<{ userId: string; projectId: string; token: string }>
  [Symbol.asyncDispose](): Promise<void>
}

/** The password of every newcomer. */
export const newcomerPassword = 'a password of tests'

export async function controllerBed(
  clock: Clock & { offset?: number } = testClock(),
): Promise<ControllerBed> {
  const directory = await mkdtemp(join(tmpdir(), 'lodge-controller-'))
  const store = await openTestStore(join(directory, 'lodge.db'))
  const images = createImageFiles({ directory: join(directory, 'images'), store, clock })
  const services: ApiServices = {
    store,
    config: structuredClone(defaultConfig),
    clock,
    log: silentLogger(),
    wake: () => {},
    ask: () => Promise.reject(new LodgeError('unavailable', 'There are no hosts in this test.')),
    imageFiles: images,
  }
  const app = createApi(
    services,
    {
      identity: identityRoutes(services),
      compute: [],
      image: imageRoutes(services),
      network: networkRoutes(services),
      lodge: lodgeRoutes(services),
    },
    authenticate,
  )
  const { password = '' } = await bootstrap({
    store,
    cloudsFile: join(directory, 'clouds.yaml'),
    identityUrl: 'http://127.0.0.1:8774/identity',
    region: 'RegionOne',
  })

  const call: ControllerBed['call'] = async (what, options = {}) => {
    const [method = '', url = ''] = what.split(' ')
    const token = options.token === undefined ? bed.adminToken : options.token
    const response = await app.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(token === null ? {} : { 'x-auth-token': token }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      payload: options.data ?? (options.body === undefined ? undefined : JSON.stringify(options.body)),
    })
    const json = String(response.headers['content-type'] ?? '').startsWith('application/json')
    return {
      status: response.statusCode,
      headers: response.headers,
      body: json && response.body !== '' ? JSON.parse(response.body) : undefined,
      raw: response.rawPayload,
    }
  }
  const login: ControllerBed['login'] = async (name, password, project = null) =>
    await call('POST /identity/v3/auth/tokens', {
      token: null,
      body: {
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { name, domain: { name: 'Default' }, password } },
          },
          scope:
            project === null ? { unscoped: {} } : { project: { name: project, domain: { name: 'Default' } } },
        },
      },
    })
  const newcomer: ControllerBed['newcomer'] = async (name, role) => {
    const project = await call('POST /identity/v3/projects', {
      body: { project: { name: `${name}-project` } },
    })
    const user = await call('POST /identity/v3/users', {
      body: { user: { name, password: newcomerPassword } },
    })
    const roles = await call(`GET /identity/v3/roles?name=${role}`)
    const projectId = project.body.project.id as string
    const userId = user.body.user.id as string
    await call(`PUT /identity/v3/projects/${projectId}/users/${userId}/roles/${roles.body.roles[0].id}`)
    const answer = await login(name, newcomerPassword, `${name}-project`)
    return { userId, projectId, token: String(answer.headers['x-subject-token']) }
  }
  const bed: ControllerBed = {
    app,
    store,
    services,
    images,
    directory,
    password,
    adminToken: '',
    call,
    login,
    newcomer,
    [Symbol.asyncDispose]: async () => {
      await app.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
  bed.adminToken = String((await login('admin', password, 'admin')).headers['x-subject-token'])
  return bed
}

/** A clock that a test may put forward. */
export function testClock(): Clock & { offset: number } {
  const clock = {
    offset: 0,
    now: () => Date.now() + clock.offset,
    sleep: () => Promise.resolve(),
  }
  return clock
}

export const readClouds = (bed: ControllerBed): Promise<string> =>
  readFile(join(bed.directory, 'clouds.yaml'), 'utf8')
