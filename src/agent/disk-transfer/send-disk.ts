import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { isErrorKind, LodgeError, messageOf } from '../../base/errors.ts'
import type { DiskOffer, SentDisk } from '../../contract/disk-transfer.ts'
import { diskPath } from './disk-path.ts'
import { connectPinned, type PinnedPeer } from './pinned-connection.ts'

/** An offer of a host that is in another process. */
export type RemoteOffer = DiskOffer & { url: string; fingerprint: string }

export interface Sending {
  offer: RemoteOffer
  disk: Omit<SentDisk, 'secret'>
  data: AsyncIterable<Uint8Array>
  signal: AbortSignal
  /** How long the other side may be silent. */
  idleMs: number
  /** 0: as fast as it goes. */
  bandwidthMiBps: number
}

/**
 * Sends one file to where an offer says. The other side is known by its certificate before a byte is sent, and has
 * agreed to take the file before the first byte of it is.
 * @throws LodgeError unavailable when the other side cannot be reached, is another, or goes away; what it threw;
 * badRequest when the data are not as long as was said; the signal's reason
 */
export async function sendDisk(sending: Sending): Promise<void> {
  const { offer, disk, signal, idleMs } = sending
  signal.throwIfAborted()
  const peer = peerOf(offer)
  const unreachable = (cause: unknown): LodgeError =>
    new LodgeError(
      'unavailable',
      `Host ${offer.host} cannot be sent disks (${peer.hostName}, port ${peer.port}): ${messageOf(cause)}`,
      { cause },
    )
  const socket = await connectPinned(peer, signal).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw unreachable(cause)
  })

  const over = new AbortController()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const onAbort = (): void => failed.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  socket.setTimeout(idleMs, () =>
    failed.reject(unreachable(`no sign of life for ${Math.round(idleMs / 1000)} seconds`)),
  )
  const asked = request({
    createConnection: () => socket,
    method: 'PUT',
    path: diskPath({ ...disk, host: offer.host }),
    headers: {
      host: new URL(offer.url).host,
      authorization: `Bearer ${offer.secret}`,
      'content-type': 'application/octet-stream',
      'content-length': disk.sizeBytes,
      expect: '100-continue',
    },
  })
  asked.on('error', (cause) => failed.reject(unreachable(cause)))
  asked.once('continue', () => void upload(asked, sending, over.signal).catch(failed.reject))
  asked.once('response', (response) => {
    refusalIn(response).then(answered.resolve, (cause: unknown) => failed.reject(unreachable(cause)))
  })
  const answered = Promise.withResolvers<LodgeError | undefined>()
  asked.flushHeaders()
  try {
    const refusal = await Promise.race([answered.promise, failed.promise])
    if (refusal) throw refusal
  } finally {
    over.abort()
    signal.removeEventListener('abort', onAbort)
    asked.destroy()
    socket.destroy()
  }
}

/** @throws LodgeError badRequest for what is no address that an agent offers */
function peerOf({ url, fingerprint, host }: RemoteOffer): PinnedPeer {
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'https:' || parsed.port === '')
    throw new LodgeError('badRequest', `${JSON.stringify(url)} is not where host ${host} takes disks`)
  return { hostName: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port), fingerprint }
}

/** As fast as the other side takes it: no more than one piece waits in memory. */
async function upload(
  asked: ClientRequest,
  { data, disk: { name, sizeBytes }, bandwidthMiBps }: Sending,
  over: AbortSignal,
): Promise<void> {
  const notAsSaid = (): LodgeError =>
    new LodgeError('badRequest', `The file ${name} has not the ${sizeBytes} bytes that it was said to have`)
  const bytesPerMs = (bandwidthMiBps * 2 ** 20) / 1000
  const started = performance.now()
  let sent = 0
  for await (const piece of data) {
    sent += piece.length
    if (sent > sizeBytes) throw notAsSaid()
    const drained = asked.write(piece) || once(asked, 'drain', { signal: over })
    await drained
    over.throwIfAborted()
    const early = bytesPerMs > 0 ? started + sent / bytesPerMs - performance.now() : 0
    if (early > 0) await delay(early, undefined, { signal: over })
  }
  if (sent !== sizeBytes) throw notAsSaid()
  asked.end()
}

/** What the receiver threw, undefined where it took the file. */
async function refusalIn(response: IncomingMessage): Promise<LodgeError | undefined> {
  const said = await text(response)
  if (response.statusCode === 204) return undefined
  const { kind, message } = readRefusal(said)
  return new LodgeError(
    isErrorKind(kind) ? kind : 'unavailable',
    typeof message === 'string' ? message : `The host answered ${response.statusCode}`,
  )
}

function readRefusal(said: string): { kind?: unknown; message?: unknown } {
  try {
    return (JSON.parse(said) as object | null) ?? {}
  } catch {
    return {}
  }
}
