import type { Duplex } from 'node:stream'
import { LodgeError, messageOf } from '../base/errors.ts'
import { libvirtError } from './errors.ts'
import { frameKinds } from './frame-format.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameSplitter } from './frame-splitter.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  calls,
  events,
  tableText,
  type CallArguments,
  type CallName,
  type CallResult,
  type EventName,
} from './table.ts'
import type { Fields } from './values.ts'

interface Pending {
  name: CallName
  resolve(value: unknown): void
  reject(error: LodgeError): void
}

export interface SessionListener {
  /** Every event of the table but `connectionClosed`, in libvirt's order. */
  event(name: EventName, record: Record<string, unknown>): void
  /** The session is of no more use: once, whatever the reason; not after `end()`. Pending calls were rejected. */
  lost(error: LodgeError): void
}

const callIndex = new Map(Object.keys(calls).map((name, index) => [name, index]))
const eventRows = Object.entries<Fields>(events) as [EventName, Fields][]

/**
 * One session of the C library: one set of connections to one hypervisor, from their opening to their loss or end.
 * It speaks the frames of native/lodge-virt.h on `stream`.
 */
export class Session {
  /** Resolves when the connections are open and events are registered; rejects if that fails. */
  readonly ready: Promise<void>
  readonly #stream: Duplex
  readonly #listener: SessionListener
  readonly #splitter = new FrameSplitter()
  readonly #pending = new Map<number, Pending>()
  readonly #isReady = Promise.withResolvers<void>()
  readonly #isClosed = Promise.withResolvers<void>()
  #lastId = 0
  #greeted = false
  #ending = false
  #over: LodgeError | undefined

  constructor(stream: Duplex, listener: SessionListener) {
    this.#stream = stream
    this.#listener = listener
    this.ready = this.#isReady.promise
    // Whoever does not wait for it learns of the failure through `lost`.
    this.ready.catch(() => undefined)
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', (error) => this.#lose(gone(messageOf(error))))
    stream.on('end', () => this.#lose(gone('the libvirt library ended the session')))
    stream.on('close', () => {
      this.#lose(gone('the session was closed'))
      this.#isClosed.resolve()
    })
  }

  /** Why the session is of no more use, if it is not. */
  get over(): LodgeError | undefined {
    return this.#over
  }

  /** Makes a call of the table; see `Libvirt.call`. */
  call<N extends CallName>(name: N, args: CallArguments<N>): Promise<CallResult<N>> {
    if (this.#over || this.#ending) return Promise.reject(this.#over ?? gone('it is being closed'))
    const id = this.#nextId()
    let frame: Buffer
    try {
      const writer = new FrameWriter(frameKinds.request)
      writer.u32(id)
      writer.u16(callIndex.get(name)!)
      writer.fields(calls[name].args, args)
      frame = writer.finish()
    } catch (error) {
      return Promise.reject(error)
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { name, resolve: resolve as (value: unknown) => void, reject })
      this.#stream.write(frame)
    })
  }

  /**
   * Ends the session: calls under way finish, calls that wait fail with `unavailable`, connections are closed. What
   * is not over after `timeoutMs` fails with `unavailable`, and goes on behind the scenes.
   */
  async end(timeoutMs: number): Promise<void> {
    if (this.#stream.destroyed) return
    const timer = setTimeout(() => this.#stream.destroy(), timeoutMs)
    this.#ending = true
    this.#stream.end()
    await this.#isClosed.promise
    clearTimeout(timer)
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId % 0xffffffff) + 1
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#splitter.push(chunk)) if (!this.#over) this.#handle(frame)
    } catch (error) {
      this.#lose(error instanceof LodgeError ? error : gone(messageOf(error)))
      this.#stream.destroy()
    }
  }

  #handle(frame: Buffer): void {
    const reader = new FrameReader(frame)
    const kind = reader.u8()
    if (!this.#greeted && kind !== frameKinds.hello) throw unexpected(kind)
    switch (kind) {
      case frameKinds.hello:
        this.#greeted = true
        if (reader.string() !== tableText())
          throw new LodgeError(
            'unavailable',
            'The libvirt library was built for another version of Lodge; rebuild it with ./setup build',
          )
        return reader.end()
      case frameKinds.ready:
        this.#isReady.resolve()
        return reader.end()
      case frameKinds.result:
        return this.#handleResult(reader)
      case frameKinds.error:
        return this.#handleError(reader)
      case frameKinds.event:
        return this.#handleEvent(reader)
      default:
        throw unexpected(kind)
    }
  }

  #handleResult(reader: FrameReader): void {
    const pending = this.#takePending(reader.u32())
    const row: { result: Fields } | { list: Fields } = calls[pending.name]
    try {
      const value = 'list' in row ? reader.list(row.list) : reader.record(row.result)
      reader.end()
      pending.resolve(value)
    } catch (error) {
      pending.reject(error as LodgeError)
      throw error
    }
  }

  #handleError(reader: FrameReader): void {
    const id = reader.u32()
    const pending = id === 0 ? undefined : this.#takePending(id)
    const error = libvirtError({
      call: pending?.name ?? 'connect',
      code: reader.i32(),
      domain: reader.i32(),
      level: reader.i32(),
      alive: reader.u32() !== 0,
      message: reader.string(),
    })
    reader.end()
    if (pending) pending.reject(error)
    else this.#lose(error)
  }

  #handleEvent(reader: FrameReader): void {
    const row = eventRows[reader.u16()]
    if (!row) throw unexpected(frameKinds.event)
    const [name, fields] = row
    const record = reader.record(fields)
    reader.end()
    if (name === 'connectionClosed')
      this.#lose(gone(closeReasons[record.reason as number] ?? 'unknown reason'))
    else this.#listener.event(name, record)
  }

  #takePending(id: number): Pending {
    const pending = this.#pending.get(id)
    if (!pending) throw unexpected(frameKinds.result)
    this.#pending.delete(id)
    return pending
  }

  #lose(error: LodgeError): void {
    if (this.#over) return
    this.#over = error
    this.#isReady.reject(error)
    for (const { name, reject } of this.#pending.values())
      reject(
        new LodgeError('unavailable', `${error.message}; what became of ${name} is not known`, {
          cause: error,
          details: { call: name },
        }),
      )
    this.#pending.clear()
    if (!this.#ending) this.#listener.lost(error)
  }
}

/** virConnectCloseReason. */
const closeReasons = ['an error', 'libvirtd closed it', 'libvirtd did not answer keep-alives', 'closed by us']

const gone = (reason: string): LodgeError =>
  new LodgeError('unavailable', `The connection to libvirt was lost (${reason})`)

const unexpected = (kind: number): LodgeError =>
  new LodgeError('internal', `The libvirt library sent an unexpected frame of kind ${kind}`)
