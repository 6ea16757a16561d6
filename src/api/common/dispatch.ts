import type { FastifyReply, FastifyRequest } from 'fastify'
import { LodgeError } from '../../base/errors.ts'
import { serviceRootUrl } from './links.ts'
import { malformed, parseJsonBody } from './json-body.ts'
import {
  inRange,
  microversionHeaders,
  negotiateMicroversion,
  type MicroversionRange,
} from './microversion.ts'
import { enforcePolicy } from './policy.ts'
import { sendReply } from './reply.ts'
import type { ApiRequest, ApiServices, Caller, Route, VersionedSchema } from './route.ts'
import type { Service } from './service.ts'
import { urlMarks } from './request-url.ts'
import { validate } from './validator.ts'

/** Finds out who sent a token; undefined when it is unknown, revoked or expired. */
export type Authenticate = (services: ApiServices, token: string) => Promise<Caller | undefined>

export interface DispatchContext {
  services: ApiServices
  authenticate: Authenticate
  service: Service
  /** Of compute; other services have none. */
  microversions: MicroversionRange | null
}

/** The rows that share a method and a path: actions, and forms of a route at different microversions. */
export type RouteGroup = readonly Route[]

/** A caller of whom nothing is known: identity's open routes have it. */
const anonymous: Caller = {
  userId: '',
  userName: '',
  projectId: null,
  projectName: null,
  roles: [],
  isAdmin: false,
  token: '',
}

/**
 * Takes a request through all that comes before its handler, in this order: token, microversion, project of the URL,
 * body and route, policy, schemas. An empty group answers 404 after the token check, as Nova does.
 * @throws LodgeError whatever the first failing check says
 */
export async function dispatch(
  context: DispatchContext,
  group: RouteGroup,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { service, services } = context
  const open =
    (service.name === 'identity' || service.name === 'lodge') && group.some((route) => route.role === 'none')
  const caller = await callerOf(context, request, open)
  const marks = urlMarks(request.raw)
  const version = versionOf(context, request, marks.legacy)
  if (context.microversions) reply.headers(microversionHeaders(version))
  if (marks.projectId !== null && marks.projectId !== caller.projectId)
    throw wrongProject(marks.projectId, caller)

  const params = paramsOf(request)
  const raw = group.some((route) => route.rawBody)
  const body = raw ? undefined : bodyOf(service, request)
  const route = chooseRoute(group, version, body)
  if (route.exactPath && /^[^?#]*\/(?:[?#]|$)/.test(request.url)) throw noSuchResource()
  enforcePolicy(route, caller, service.name)

  const query = queryOf(request)
  const value = route.action === undefined ? body : (body as Record<string, unknown>)[route.action]
  const querySchema = schemaFor(route.query, version)
  if (querySchema) validate(querySchema, query, { kind: 'query' })
  const bodySchema = schemaFor(route.body, version)
  if (bodySchema)
    validate(bodySchema, value ?? null, {
      kind: 'body',
      ...(route.action === undefined ? {} : { name: route.action }),
      dropUnknown: marks.legacy,
    })

  const root = serviceRootUrl(services.config, service, request.headers.host)
  const project = marks.projectId === null ? '' : `/${marks.projectId}`
  const apiRequest: ApiRequest = {
    method: request.method,
    requestId: request.id,
    caller,
    version,
    params,
    query,
    body: value,
    headers: request.headers,
    links: {
      versioned: `${root}/${marks.legacy ? 'v2' : service.version}${project}`,
      bookmark: `${root}${project}`,
    },
  }
  if (raw)
    apiRequest.stream =
      request.body === undefined ? emptyStream() : (request.body as AsyncIterable<Uint8Array>)
  const answer = await route.handler(apiRequest)
  sendReply(reply, answer, answer.status ?? successOf(route, version))
}

async function callerOf(context: DispatchContext, request: FastifyRequest, open: boolean): Promise<Caller> {
  const token = request.headers['x-auth-token']
  if (open) return typeof token === 'string' ? { ...anonymous, token } : anonymous
  const caller =
    typeof token === 'string' && token !== ''
      ? await context.authenticate(context.services, token)
      : undefined
  if (!caller) throw new LodgeError('unauthorized', 'The request you have made requires authentication.')
  return caller
}

function versionOf(context: DispatchContext, request: FastifyRequest, legacy: boolean): number {
  if (!context.microversions) return 0
  return legacy ? context.microversions.min : negotiateMicroversion(request.headers, context.microversions)
}

const wrongProject = (inUrl: string, caller: Caller): LodgeError =>
  new LodgeError(
    'badRequest',
    `Malformed request URL: URL's project_id '${inUrl}' doesn't match Context's project_id '${caller.projectId}'`,
  )

/** No id holds a NUL byte, and PostgreSQL takes none. */
function paramsOf(request: FastifyRequest): Record<string, string> {
  const params = request.params as Record<string, string>
  for (const value of Object.values(params)) if (value.includes('\0')) throw noSuchResource()
  return params
}

/** @throws LodgeError badRequest when a value holds a NUL, which nothing that is kept does */
function queryOf(request: FastifyRequest): Record<string, string[]> {
  const query = request.query as Record<string, string[]>
  for (const values of Object.values(query))
    if (values.some((value) => value.includes('\0')))
      throw new LodgeError('badRequest', 'A query parameter holds the character NUL, which cannot be kept')
  return query
}

const noSuchResource = (): LodgeError => new LodgeError('notFound', 'The resource could not be found.')

/** The parsed body; undefined when there is none or when compute is to ignore it for its type. */
function bodyOf(service: Service, request: FastifyRequest): unknown {
  const bytes = request.body as Buffer | undefined
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === '' || type === 'text/plain')
    return service.name === 'compute' ? undefined : parseJsonBody(bytes)
  const known =
    service.name === 'compute'
      ? type === 'application/json' || type === 'application/vnd.openstack.compute+json'
      : type.includes('json')
  if (!known)
    throw new LodgeError('unsupportedMediaType', `Unsupported Content-Type ${type}: send application/json`)
  return parseJsonBody(bytes)
}

/**
 * The row of the group that the request means.
 * @throws LodgeError notFound when there is none at this microversion, badRequest for bodies without a known action
 */
function chooseRoute(group: RouteGroup, version: number, body: unknown): Route {
  const candidates = group.some((route) => route.action !== undefined) ? rowsOfAction(group, body) : group
  const route = candidates.find((candidate) => inRange(version, candidate))
  if (!route) throw noSuchResource()
  return route
}

function rowsOfAction(group: RouteGroup, body: unknown): RouteGroup {
  const keys = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : []
  const [action] = keys
  if (action === undefined || keys.length !== 1) throw malformed(undefined)
  const rows = group.filter((route) => route.action === action)
  if (rows.length === 0)
    throw new LodgeError('badRequest', `There is no such action: ${action.slice(0, 100)}`)
  return rows
}

const schemaFor = (schemas: VersionedSchema[] | undefined, version: number): object | undefined =>
  schemas?.find((candidate) => inRange(version, candidate))?.schema

function successOf(route: Route, version: number): number {
  if (typeof route.success === 'number') return route.success
  return route.success.find((candidate) => inRange(version, candidate))?.code ?? 200
}

async function* emptyStream(): AsyncIterable<Uint8Array> {}
