import type { FastifyInstance } from 'fastify'
import { systemClock } from '../../../src/base/clock.ts'
import { defaultConfig } from '../../../src/base/config.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import type { ApiServices, Caller, Route } from '../../../src/api/common/route.ts'
import { createApi, type RouteTables } from '../../../src/api/http.ts'

export const projectId = 'a1b2c3d4e5f60718293a4b5c6d7e8f90'

const person = (roles: string[], project: string | null = projectId): Caller => ({
  userId: 'f0e1d2c3b4a5968778695a4b3c2d1e0f',
  userName: 'someone',
  projectId: project,
  projectName: project === null ? null : 'somewhere',
  roles,
  isAdmin: roles.includes('admin'),
  token: 'token',
})

/** Tokens of the tests are the names of roles. */
export const callers: Record<string, Caller> = {
  admin: person(['admin', 'manager', 'member', 'reader']),
  member: person(['member', 'reader']),
  reader: person(['reader']),
  unscoped: person([], null),
  systemAdmin: person(['admin', 'manager', 'member', 'reader'], null),
}

const noStore = (): never => {
  throw new LodgeError('internal', 'these tests have no store')
}

export function testServices(more: Partial<ApiServices> = {}): ApiServices {
  return {
    store: new Proxy({}, { get: noStore }) as ApiServices['store'],
    config: structuredClone(defaultConfig),
    clock: systemClock,
    log: silentLogger(),
    wake: () => {},
    ask: noStore,
    imageFiles: { write: noStore, read: noStore, path: noStore, remove: noStore },
    ...more,
  }
}

/** An API with only these routes. */
export function testApi(tables: Partial<RouteTables>, services = testServices()): FastifyInstance {
  return createApi(
    services,
    { identity: [], compute: [], image: [], network: [], lodge: [], ...tables },
    async (_services, token) => (Object.hasOwn(callers, token) ? callers[token] : undefined),
  )
}

/** A route that answers with what its handler was given. */
export const echo = (more: Partial<Route>): Route => ({
  method: 'GET',
  path: '/things',
  policy: 'things:index',
  role: 'any',
  success: 200,
  summary: 'Tells what it was given.',
  handler: async ({ version, params, query, body, links }) => ({
    body: { version, params, query, body, links },
  }),
  ...more,
})

/** As Node's HTTP client would send it: `inject` with a token of that role. */
export const as = (role: string, headers: Record<string, string> = {}): Record<string, string> => ({
  'x-auth-token': role,
  ...headers,
})
