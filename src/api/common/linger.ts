import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a client may go on sending what nobody wants, milliseconds. */
const patienceMs = 2000

/**
 * For an answer that is given before the whole body has come: the rest is read and thrown away for a while, and only
 * then is the connection cut. Cut at once, it would be reset under a client that is still sending, which may then
 * never see the answer; never cut, it would be the client's to keep.
 */
export function linger({ raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete || raw.destroyed) return
  // With it, Node cuts the connection as soon as the answer is written.
  reply.removeHeader('connection')
  const cut = setTimeout(() => raw.destroy(), patienceMs)
  raw.once('close', () => clearTimeout(cut))
  raw.once('end', () => clearTimeout(cut))
  raw.resume()
}
