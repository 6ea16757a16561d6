import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { LodgeError } from '../../base/errors.ts'

/** Whom to reach, and how to know him. */
export interface PinnedPeer {
  hostName: string
  port: number
  /** SHA-256 of the certificate that must answer. */
  fingerprint: string
}

const handshakeMs = 15_000

/**
 * A TLS connection to whoever has that very certificate. Who signed it and what name it bears do not matter, since it is
 * told anew with each offer. Nothing has been sent when this returns.
 * @throws the signal's reason, LodgeError unavailable for another certificate, what the network says
 */
export async function connectPinned(peer: PinnedPeer, signal: AbortSignal): Promise<TLSSocket> {
  const tooLong = AbortSignal.timeout(handshakeMs)
  const socket = connect({
    host: peer.hostName,
    port: peer.port,
    minVersion: 'TLSv1.3',
    // Checked below, against the one certificate that may be there.
    rejectUnauthorized: false,
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, tooLong]) })
    if (socket.getPeerX509Certificate()?.fingerprint256 !== peer.fingerprint)
      throw new LodgeError(
        'unavailable',
        'what answers there shows another certificate than the host has told of',
      )
    return socket
  } catch (error) {
    socket.destroy()
    signal.throwIfAborted()
    if (tooLong.aborted) throw new LodgeError('timeout', `no answer within ${handshakeMs / 1000} seconds`)
    throw error
  }
}
