import type { Duplex } from 'node:stream'
import { systemClock, type Clock } from '../base/clock.ts'
import { LodgeError, messageOf, toLodgeError } from '../base/errors.ts'
import { silentLogger, type Logger } from '../base/logging.ts'
import { startNativeSession } from './ffi.ts'
import { Session } from './session.ts'
import type { CallArguments, CallName, CallResult, EventName, EventRecord } from './table.ts'

export interface LibvirtOptions {
  /** As libvirt's documentation has it: `qemu:///system`, `test:///default`. */
  uri: string
  logger?: Logger
  clock?: Clock
  /** The C library, if not the one that `./setup build` makes. */
  libraryPath?: string
  /** Does not fail when libvirt does not answer, but goes on trying; see `connected`. */
  patient?: boolean
  /** How long one attempt to connect may take, ms. */
  connectTimeoutMs?: number
  /** Starts a session of the C library; tests may give their own. */
  startSession?: (uri: string, libraryPath?: string) => Duplex
}

/** What `on` listens to: libvirt's events, and the binding's own two. */
export type LibvirtEvents = { [N in Exclude<EventName, 'connectionClosed'>]: EventRecord<N> } & {
  /** The connection is gone; pending calls were rejected, and an attempt to connect again has begun. */
  disconnected: { reason: string }
  /** It is back, with events registered. What happened meanwhile was missed: time to compare. */
  connected: Record<string, never>
}

type Listener<N extends keyof LibvirtEvents> = (record: LibvirtEvents[N]) => void

const firstPauseMs = 100
const longestPauseMs = 5000

/**
 * Connects to libvirt. Resolves when the connection is up and events are registered or, if it is to be patient, at the
 * first attempt's end.
 * @throws unavailable when libvirt does not answer or the C library is missing, forbidden when it refuses
 */
export async function openLibvirt(options: LibvirtOptions): Promise<Libvirt> {
  const libvirt = new Libvirt(options)
  await libvirt.connect()
  return libvirt
}

/** A connection to libvirt that comes back by itself after it was lost. Keeps the process alive until `close()`. */
export class Libvirt {
  readonly uri: string
  readonly #options: LibvirtOptions
  readonly #log: Logger
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #listeners = new Map<string, Set<(record: never) => void>>()
  readonly #sessions = new Set<Session>()
  #session: Session | undefined
  #reconnecting: Promise<void> = Promise.resolve()

  /** Not connected yet; `openLibvirt` is the way in. */
  constructor(options: LibvirtOptions) {
    this.uri = options.uri
    this.#options = options
    this.#log = options.logger ?? silentLogger()
    this.#clock = options.clock ?? systemClock
  }

  get connected(): boolean {
    return this.#session !== undefined
  }

  /**
   * Makes a call of the table in table.ts. Calls run at the same time and may overtake each other; a caller that
   * needs an order waits.
   * @throws by libvirt's error code (errors.ts), with libvirt's own message and `details` { call, code, domain,
   *   level }; badRequest for an argument not of its type; unavailable when there is no connection, or when it was
   *   lost during the call, which may then have had its effect or not
   */
  call<N extends CallName>(
    name: N,
    ...[args]: Record<string, never> extends CallArguments<N>
      ? [args?: CallArguments<N>]
      : [args: CallArguments<N>]
  ): Promise<CallResult<N>> {
    if (!this.#session)
      return Promise.reject(
        new LodgeError(
          'unavailable',
          this.#closing.signal.aborted
            ? 'The connection to libvirt was closed'
            : `There is no connection to libvirt at ${this.uri} now`,
        ),
      )
    return this.#session.call(name, args ?? ({} as CallArguments<N>))
  }

  /** Calls `listener` at each such event until the returned function is called. */
  on<N extends keyof LibvirtEvents>(name: N, listener: Listener<N>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /**
   * Closes the connection and stops trying to have one. Calls under way have `timeoutMs` to finish; those that
   * wait for their turn, and those that take longer, fail with `unavailable`. May be called twice.
   */
  async close(timeoutMs = 10_000): Promise<void> {
    this.#closing.abort()
    this.#session = undefined
    await Promise.all([...this.#sessions].map((session) => session.end(timeoutMs)))
    await this.#reconnecting
  }

  /** Part of `openLibvirt`. */
  async connect(): Promise<void> {
    try {
      this.#session = await this.#openSession()
    } catch (error) {
      if (!this.#options.patient || !isRefusal(error)) throw error
      this.#log.warn({ uri: this.uri, reason: messageOf(error) }, 'libvirt does not answer; trying again')
      this.#reconnecting = this.#reconnect()
    }
  }

  async #openSession(): Promise<Session> {
    const start = this.#options.startSession ?? startNativeSession
    const timeoutMs = this.#options.connectTimeoutMs ?? 60_000
    const session: Session = new Session(start(this.uri, this.#options.libraryPath), {
      event: (name, record) => this.#emit(name, record),
      lost: (error) => this.#lost(session, error),
    })
    this.#sessions.add(session)
    const timer = setTimeout(() => this.#discard(session, 0), timeoutMs)
    try {
      await session.ready
      // Ready and lost may have arrived together.
      if (session.over) throw session.over
      if (this.#closing.signal.aborted)
        throw new LodgeError('unavailable', 'The connection to libvirt was closed')
      return session
    } catch (error) {
      this.#discard(session, 0)
      const { kind, message, details } = toLodgeError(error)
      throw new LodgeError(kind, `Cannot connect to libvirt at ${this.uri}: ${message}`, {
        cause: error,
        details,
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends what is left of a session; nobody needs to wait for it. */
  #discard(session: Session, timeoutMs: number): void {
    void session.end(timeoutMs).then(() => this.#sessions.delete(session))
  }

  #lost(session: Session, error: LodgeError): void {
    this.#discard(session, 10_000)
    if (this.#session !== session) return
    this.#session = undefined
    this.#log.warn({ uri: this.uri, reason: error.message }, 'libvirt is gone; connecting again')
    this.#emit('disconnected', { reason: error.message })
    this.#reconnecting = this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing
    let pause = firstPauseMs
    while (!signal.aborted) {
      try {
        const session = await this.#openSession()
        this.#session = session
        this.#log.info({ uri: this.uri }, 'libvirt is back')
        this.#emit('connected', {})
        return
      } catch (error) {
        this.#log.debug({ uri: this.uri, reason: messageOf(error) }, 'libvirt is not back yet')
      }
      await this.#clock.sleep(pause, signal).catch(() => undefined)
      pause = Math.min(pause * 2, longestPauseMs)
    }
  }

  #emit(name: string, record: object): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(record as never)
      } catch (error) {
        // One listener's defect must not cost the others their event, nor the session its life.
        this.#log.error({ event: name, err: error }, 'a listener to libvirt events failed')
      }
    }
  }
}

/** libvirt's own answer to an attempt to connect, as opposed to a library of ours that is missing or too old. */
function isRefusal(error: unknown): boolean {
  const { kind, details } = toLodgeError(error)
  return kind === 'unavailable' && details.call === 'connect'
}
