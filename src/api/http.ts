import type { IncomingMessage } from 'node:http'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { newRequestId } from '../base/ids.ts'
import { LodgeError, toLodgeError } from '../base/errors.ts'
import { computeChoices, computeMicroversions, computeVersion, computeVersions } from './compute/versions.ts'
import { dispatch, type Authenticate, type DispatchContext, type RouteGroup } from './common/dispatch.ts'
import { faultBody } from './common/faults.ts'
import { linger } from './common/linger.ts'
import { serviceRootUrl } from './common/links.ts'
import { microversionHeaders } from './common/microversion.ts'
import { parseQueryString } from './common/query-string.ts'
import { plainUrl, urlMarks } from './common/request-url.ts'
import type { ApiServices, Route } from './common/route.ts'
import { serviceOfPath, services as allServices, type Service, type ServiceName } from './common/service.ts'
import {
  identityV3,
  identityVersions,
  imageVersions,
  networkResources,
  networkVersions,
  processIndex,
  type VersionDocument,
} from './common/version-documents.ts'

export type RouteTables = Record<ServiceName, Route[]>

/**
 * The HTTP server with every service's routes below its prefix; not yet listening, so that tests can `inject`.
 * No request makes it throw: whatever a client sends gets an answer in the service's own form of faults.
 */
export function createApi(
  services: ApiServices,
  tables: RouteTables,
  authenticate: Authenticate,
): FastifyInstance {
  const app = fastify({
    logger: false,
    genReqId: newRequestId,
    rewriteUrl: (raw) => plainUrl(raw as IncomingMessage),
    bodyLimit: services.config.api.maxBodyBytes,
    // A peer that is silent for two minutes in the middle of something is gone. Uploads may take any time.
    connectionTimeout: 120_000,
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: {
      ignoreTrailingSlash: true,
      maxParamLength: 4096,
      querystringParser: parseQueryString,
    },
    frameworkErrors: (error, request, reply) => {
      fail(services, request as FastifyRequest, reply as FastifyReply, error)
    },
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request, reply) => addStandardHeaders(request, reply))
  app.addHook('onResponse', async (request, reply) => {
    if (services.log.isLevelEnabled('debug')) logRequest(services, request, reply)
  })
  app.setErrorHandler((error, request, reply) => fail(services, request, reply, error))
  app.setNotFoundHandler(async (request, reply) => {
    await notFound(services, authenticate, request, reply)
  })

  addVersionDocuments(app, services)
  for (const service of Object.values(allServices)) {
    const context = contextOf(services, authenticate, service)
    const groups = groupRoutes(tables[service.name])
    addRoutes(app, context, groups.parsed)
    void app.register(async (scope) => {
      // These handlers read the stream themselves, however long it is.
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      addRoutes(scope, context, groups.raw)
    })
  }
  return app
}

/** What every answer carries, errors included; the negotiated microversion replaces the oldest one later. */
function addStandardHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-openstack-request-id', request.id)
  if (serviceOfPath(request.url)?.name !== 'compute') return
  reply.header('x-compute-request-id', request.id)
  reply.headers(microversionHeaders(computeMicroversions.min))
}

function contextOf(services: ApiServices, authenticate: Authenticate, service: Service): DispatchContext {
  const microversions = service.name === 'compute' ? computeMicroversions : null
  return { services, authenticate, service, microversions }
}

interface GroupedRoutes {
  parsed: RouteGroup[]
  raw: RouteGroup[]
}

function groupRoutes(routes: readonly Route[]): GroupedRoutes {
  const groups = Object.values(
    Object.groupBy(routes, (route) => `${route.method} ${route.path}`),
  ) as Route[][]
  return {
    parsed: groups.filter((group) => !group.some((route) => route.rawBody)),
    raw: groups.filter((group) => group.some((route) => route.rawBody)),
  }
}

function addRoutes(app: FastifyInstance, context: DispatchContext, groups: RouteGroup[]): void {
  const { service, services } = context
  for (const group of groups) {
    const [first] = group
    if (!first) continue
    app.route({
      method: first.method,
      url: `${service.root}/${service.version}${first.path}`,
      ...(first.rawBody ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}),
      handler: async (request, reply) => {
        try {
          await dispatch(context, group, request, reply)
        } catch (thrown) {
          fail(services, request, reply, thrown)
        }
        return reply
      },
    })
  }
}

/** The documents that need no token. A route of a service's own table at the same path is a programming error. */
function addVersionDocuments(app: FastifyInstance, services: ApiServices): void {
  const rootOf = (service: Service, request: FastifyRequest): string =>
    serviceRootUrl(services.config, service, request.headers.host)
  const add = (path: string, document: (request: FastifyRequest) => VersionDocument): void => {
    app.get(path, async (request, reply) => sendDocument(reply, document(request)))
  }
  const { identity, compute, image, network } = allServices
  add('/', (request) => processIndex((service) => rootOf(service, request)))
  add(identity.root, (request) => identityVersions(rootOf(identity, request)))
  add(`${identity.root}/v3`, (request) => identityV3(rootOf(identity, request)))
  add(compute.root, (request) => computeVersions(rootOf(compute, request)))
  add(`${compute.root}/v2.1`, (request) =>
    computeVersion(rootOf(compute, request), urlMarks(request.raw).legacy),
  )
  add(image.root, (request) => imageVersions(rootOf(image, request)))
  add(`${image.root}/versions`, (request) => ({ ...imageVersions(rootOf(image, request)), status: 200 }))
  add(`${image.root}/v2`, (request) => imageVersions(rootOf(image, request)))
  add(network.root, (request) => networkVersions(rootOf(network, request)))
  add(`${network.root}/v2.0`, networkResources)
}

function sendDocument(reply: FastifyReply, document: VersionDocument): FastifyReply {
  return reply
    .code(document.status)
    .header('content-type', 'application/json')
    .send(JSON.stringify(document.body))
}

/** Below a version 404 needs a token first, as every request there; compute offers choices for unversioned paths. */
async function notFound(
  services: ApiServices,
  authenticate: Authenticate,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const service = serviceOfPath(request.url)
  const below = service && request.url.slice(service.root.length)
  try {
    if (!service || below === undefined)
      throw new LodgeError('notFound', 'Nothing is served here. GET / lists the services.')
    if (below.startsWith(`/${service.version}/`))
      await dispatch(contextOf(services, authenticate, service), [], request, reply)
    if (service.name === 'compute' && request.method === 'GET' && !below.startsWith('/v2')) {
      const root = serviceRootUrl(services.config, service, request.headers.host)
      sendDocument(reply, computeChoices(root, below))
      return
    }
    throw new LodgeError('notFound', 'The resource could not be found.')
  } catch (thrown) {
    fail(services, request, reply, thrown)
  }
}

const retryAfterSeconds = 2

/** Answers with a fault. What is our defect goes to the log with its cause, and the client learns the request id. */
function fail(services: ApiServices, request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
  const error = lodgeErrorOf(thrown)
  if (error.kind === 'internal')
    services.log.error(
      { err: thrown, requestId: request.id, method: request.method },
      'a request failed inside',
    )
  else if (error.status >= 500)
    services.log.warn({ err: error, requestId: request.id }, 'a request could not be served')
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy()
    return
  }
  linger(request, reply)
  const service = serviceOfPath(request.url)
  // The framework's own errors come before any hook of ours.
  if (!reply.hasHeader('x-openstack-request-id')) addStandardHeaders(request, reply)
  if (error.status === 401) {
    const root = serviceRootUrl(services.config, allServices.identity, request.headers.host)
    reply.header('www-authenticate', `Keystone uri="${root}"`)
  }
  // What is away comes back in seconds: the store, or this process after a restart.
  if (error.status === 503) reply.header('retry-after', String(retryAfterSeconds))
  reply
    .code(error.status)
    .header('content-type', 'application/json')
    .send(JSON.stringify(faultBody(service?.name, error, request.id)))
}

/** Fastify's errors carry a status; those of a client's making become ours, the rest is a defect. */
function lodgeErrorOf(thrown: unknown): LodgeError {
  if (thrown instanceof LodgeError) return thrown
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode
  const options = { cause: thrown }
  if (status === 413) return new LodgeError('tooLarge', 'Request is too large.', options)
  if (status === 415)
    return new LodgeError('unsupportedMediaType', 'Unsupported Content-Type: send application/json', options)
  if (status === 404) return new LodgeError('notFound', 'The resource could not be found.', options)
  if (status === 503) return new LodgeError('unavailable', 'Lodge is shutting down.', options)
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new LodgeError('badRequest', 'The request is malformed.', options)
  return toLodgeError(thrown)
}

function logRequest(services: ApiServices, request: FastifyRequest, reply: FastifyReply): void {
  services.log.debug(
    {
      requestId: request.id,
      method: request.method,
      url: request.originalUrl,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    },
    'request',
  )
}
