import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { LodgeError, messageOf, toLodgeError } from '../../base/errors.ts'
import type { Logger } from '../../base/logging.ts'
import type { DiskReceiver } from '../../contract/disk-transfer.ts'
import { readDiskPath } from './disk-path.ts'
import type { TransferCertificate } from './transfer-certificate.ts'

export interface DiskServerOptions {
  /** null: every address of the machine. */
  listen: string | null
  /** 0: a free one. */
  port: number
  certificate: TransferCertificate
  /** A sender that is silent for so long is cut off. */
  idleMs: number
  /** Undefined for a host that is not in this process. */
  receiverOf(host: string): DiskReceiver | undefined
  log: Logger
}

export interface DiskServer {
  port: number
  /** Cuts off what is under way. */
  close(): Promise<void>
}

/**
 * Takes disks over HTTPS: `PUT /v1/hosts/H/servers/S/disks/N` with the offer's secret as bearer token and the length
 * declared. A sender that asks first (`Expect: 100-continue`) hears a refusal before it has sent anything. The answer is
 * 204 once the file is whole and on disk, else the error as `{ "kind", "message" }`.
 * @throws LodgeError unavailable when the address cannot be listened on
 */
export async function startDiskServer(options: DiskServerOptions): Promise<DiskServer> {
  const { certificate, idleMs, log } = options
  const server = createServer({
    key: certificate.key,
    cert: certificate.certificate,
    minVersion: 'TLSv1.3',
    handshakeTimeout: strangerMs,
    headersTimeout: strangerMs,
    connectionsCheckingInterval: strangerMs / 2,
    maxHeaderSize: 8192,
    // How long a whole disk takes is not for us to say; silence is what counts.
    requestTimeout: 0,
    keepAliveTimeout: lingerMs,
  })
  server.maxConnections = mostConnections
  server.timeout = idleMs
  const handle = (request: IncomingMessage, response: ServerResponse, asksFirst: boolean): void => {
    // What goes wrong with the connection is seen by whoever reads or writes.
    request.on('error', () => {})
    response.on('error', () => {})
    void take(options, request, response, asksFirst)
  }
  server.on('request', (request, response) => handle(request, response, false))
  server.on('checkContinue', (request, response) => handle(request, response, true))
  server.on('error', (error) => log.error({ reason: messageOf(error) }, 'disks of other hosts'))
  try {
    server.listen({ port: options.port, ...(options.listen !== null && { host: options.listen }) })
    await once(server, 'listening')
  } catch (cause) {
    throw new LodgeError(
      'unavailable',
      `Other hosts' disks cannot be taken on port ${options.port}: ${messageOf(cause)} (see the setting agent.diskTransfer)`,
      { cause },
    )
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** For what has not yet proven anything. */
const strangerMs = 10_000
/** How long a sender may take to notice that it was refused. */
const lingerMs = 5_000
const mostConnections = 256
/** What comes is handed on in pieces of at least this size: TLS brings it in small ones. */
const pieceBytes = 256 * 1024

async function take(
  options: DiskServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  asksFirst: boolean,
): Promise<void> {
  let pulse: NodeJS.Timeout | undefined
  // Bringing the last bytes to disk may take longer than a sender waits for a sign of life.
  const onEnd = (): void => {
    pulse = setInterval(() => response.writeProcessing(), options.idleMs / 3)
  }
  request.once('end', onEnd)
  try {
    if (request.method !== 'PUT') throw new LodgeError('badRequest', 'Disks are sent with PUT')
    const { host, ...disk } = readDiskPath(request.url ?? '')
    const secret = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const sizeBytes = lengthOf(request)
    const receiver = options.receiverOf(host)
    if (!receiver) throw new LodgeError('unavailable', `Host ${host} does not take disks here`)
    await receiver.receive({ ...disk, secret, sizeBytes }, inPieces(bodyOf(request, response, asksFirst)))
    response.writeHead(204).end()
  } catch (error) {
    refuse(options.log, request, response, error)
  } finally {
    request.off('end', onEnd)
    clearInterval(pulse)
  }
}

/** @throws LodgeError badRequest without a length: what is cut off must not pass for whole */
function lengthOf({ headers }: IncomingMessage): number {
  const declared = headers['content-length'] ?? ''
  if (/^\d{1,15}$/.test(declared)) return Number(declared)
  throw new LodgeError('badRequest', "A disk's length must be declared")
}

async function* bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
  asksFirst: boolean,
): AsyncIterable<Buffer> {
  if (asksFirst) response.writeContinue()
  try {
    // A request that were destroyed on return would take the connection with it, and the answer.
    yield* request.iterator({ destroyOnReturn: false })
  } catch (cause) {
    throw new LodgeError('unavailable', 'The sender of the disk has gone', { cause })
  }
}

async function* inPieces(data: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let waiting: Buffer[] = []
  let bytes = 0
  for await (const chunk of data) {
    waiting.push(chunk)
    bytes += chunk.length
    if (bytes < pieceBytes) continue
    yield Buffer.concat(waiting)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}

function refuse(log: Logger, request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  const error = toLodgeError(thrown)
  log.warn({ reason: error.message, from: request.socket.remoteAddress }, "another host's disk was not taken")
  if (!response.headersSent && !response.destroyed) {
    const text = JSON.stringify({ kind: error.kind, message: error.message })
    response.writeHead(error.status, { 'content-type': 'application/json' }).end(text)
  }
  if (request.complete) return
  // The sender hears why only if it is not cut off in the middle of a write.
  request.resume()
  const { socket } = request
  const cutOff = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(cutOff))
}
