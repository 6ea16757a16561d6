import type { Logger } from '../../base/logging.ts'
import type { Clock } from '../../base/clock.ts'
import type { Config } from '../../base/config.ts'
import type { Query, QueryName, QueryTable } from '../../contract/command.ts'
import type { Store } from '../../store/store.ts'

/** What every handler gets to work with; made once at start. */
export interface ApiServices {
  store: Store
  config: Config
  clock: Clock
  log: Logger
  /** Tells the conductor that there are new actions. */
  wake(): void
  /** Asks an agent; see Bus.ask. */
  ask<Q extends QueryName>(query: Query<Q>): Promise<QueryTable[Q]['result']>
  /** Where image data lives. */
  imageFiles: ImageFiles
}

/** What was found out while image data was written. The hashes are lower-case hexadecimal. */
export interface WrittenImage {
  sizeBytes: number
  md5: string
  sha512: string
}

/** The image store's files, as the image API uses them. */
export interface ImageFiles {
  /**
   * Writes the stream as the image's data and lets `accept` decide about it. Leaves nothing when either fails.
   * @throws LodgeError conflict while the image's data is being written by another
   */
  write(
    imageId: string,
    data: AsyncIterable<Uint8Array>,
    accept: (written: WrittenImage) => Promise<void>,
  ): Promise<void>
  read(imageId: string, range?: { start: number; end: number }): Promise<AsyncIterable<Uint8Array>>
  /** Where the data lies, for inspection of its format. */
  path(imageId: string): string
  remove(imageId: string): Promise<void>
}

/**
 * What the caller must have. `none` asks for nothing: identity's routes are then open without a token, while the
 * other services still want a valid one (any route below `/compute/v2.1` needs a token, as in Nova).
 */
export type PolicyRole = 'none' | 'any' | 'reader' | 'member' | 'manager' | 'admin' | 'service'

/** Who asks. On identity's open routes a caller without name and roles. */
export interface Caller {
  userId: string
  userName: string
  /** null for unscoped tokens. */
  projectId: string | null
  projectName: string | null
  /** Role names, with implied ones: admin implies manager, member, reader. */
  roles: string[]
  isAdmin: boolean
  /** The token as it was sent, for identity's own routes. */
  token: string
}

/** A request as handlers see it: checked, parsed and with a caller whom the policy lets in. */
export interface ApiRequest {
  method: string
  requestId: string
  caller: Caller
  /** The minor of the microversion (2.X -> X); 0 on services without microversions. */
  version: number
  params: Record<string, string>
  /** Each key with all its values. */
  query: Record<string, string[]>
  /** The validated body; for an action the value under the action's key. */
  body: unknown
  headers: Record<string, string | string[] | undefined>
  /** Base of the service's versioned URLs as this client knows them, such as `http://h:8774/compute/v2.1` (with the
   * project id when the request's URL had it); `bookmark` is the same without the version. No trailing slash. */
  links: { versioned: string; bookmark: string }
  /** The raw body, for routes with `rawBody`. */
  stream?: AsyncIterable<Uint8Array>
}

export interface ApiReply {
  /** The route's `success` when absent. */
  status?: number
  headers?: Record<string, string>
  /** JSON, unless it is a stream; absent: no body. */
  body?: unknown
  stream?: AsyncIterable<Uint8Array>
}

/** A JSON Schema (draft 2020-12) for a range of microversions, both ends included. */
export interface VersionedSchema {
  min?: number
  max?: number
  schema: Record<string, unknown>
}

/**
 * One row of a service's route table: all there is to know of a route, so that the table can be read, tested and
 * turned into OpenAPI.
 */
export interface Route {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the service's versioned root, with fastify's parameters: `/servers/:id`. */
  path: string
  /** The key that a POST to `.../action` must hold. */
  action?: string
  /** Microversions (minors) in which the route exists. */
  min?: number
  max?: number
  /** Nova's or Keystone's policy name, and who passes it by default. */
  policy: string
  role: PolicyRole
  /** Success code, by microversion where it changed. */
  success: number | { min?: number; max?: number; code: number }[]
  /** For an action the schema of the value under its key. Absent: no check of ours, and an empty body is fine. */
  body?: VersionedSchema[]
  /** Schema of the query as an object of arrays of strings. Absent: whatever is sent is ignored. */
  query?: VersionedSchema[]
  /** The handler reads `stream` itself; nothing parses or limits the body. */
  rawBody?: boolean
  /** With a slash at its end the path is another resource's whose name is empty, and not found. */
  exactPath?: boolean
  /** One line on what it does. */
  summary: string
  handler(request: ApiRequest): Promise<ApiReply>
}
