import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { ApiReply } from './route.ts'

/** Sends a handler's answer: JSON, a stream, or nothing at all. */
export function sendReply(reply: FastifyReply, answer: ApiReply, status: number): void {
  reply.code(status)
  if (answer.headers) reply.headers(answer.headers)
  if (answer.stream) {
    if (!reply.hasHeader('content-type')) reply.header('content-type', 'application/octet-stream')
    reply.send(Readable.from(answer.stream, { objectMode: false }))
  } else if (answer.body === undefined) {
    reply.send()
  } else {
    if (!reply.hasHeader('content-type')) reply.header('content-type', 'application/json')
    reply.send(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  }
}
