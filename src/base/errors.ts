/**
 * The closed set of errors that Lodge throws. Each kind has one HTTP status and says whether doing the same
 * again later may succeed. Nobody throws a bare `Error`; what other code threw travels along as `cause`.
 */
const kinds = {
  badRequest: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  notFound: { status: 404, retryable: false },
  notAcceptable: { status: 406, retryable: false },
  conflict: { status: 409, retryable: false },
  gone: { status: 410, retryable: false },
  tooLarge: { status: 413, retryable: false },
  unsupportedMediaType: { status: 415, retryable: false },
  tooManyRequests: { status: 429, retryable: true },
  /** A defect of ours. The message goes to the log, not to the client. */
  internal: { status: 500, retryable: false },
  notImplemented: { status: 501, retryable: false },
  /** Something we depend on does not answer now: libvirtd, an agent, the store. */
  unavailable: { status: 503, retryable: true },
  timeout: { status: 503, retryable: true },
} as const

export type ErrorKind = keyof typeof kinds

export interface LodgeErrorOptions {
  cause?: unknown
  /** Machine-readable facts for logs and for callers that decide by them. */
  details?: Record<string, unknown>
}

/** An error with a kind. `message` is one plain sentence that a user may read. */
export class LodgeError extends Error {
  readonly kind: ErrorKind
  readonly details: Record<string, unknown>

  constructor(kind: ErrorKind, message: string, options: LodgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LodgeError'
    this.kind = kind
    this.details = options.details ?? {}
  }

  get status(): number {
    return kinds[this.kind].status
  }

  get retryable(): boolean {
    return kinds[this.kind].retryable
  }
}

/** Whether a word that came from elsewhere is one of our kinds. */
export const isErrorKind = (word: unknown): word is ErrorKind =>
  typeof word === 'string' && Object.hasOwn(kinds, word)

/** `thrown` as a LodgeError; what is not one yet becomes `internal` and keeps it as cause. */
export function toLodgeError(thrown: unknown): LodgeError {
  if (thrown instanceof LodgeError) return thrown
  return new LodgeError('internal', messageOf(thrown), { cause: thrown })
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
