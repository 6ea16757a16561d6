/** HTTP as bytes on a socket, for requests that no client library would send. */
import { connect } from 'node:net'
import { LodgeError } from '../../src/base/errors.ts'

export interface RawAnswer {
  status: number
  /** As they came, lower-case names. */
  headers: Map<string, string>
  /** Parsed when it is JSON of known length; else text. */
  body: unknown
}

/**
 * Sends `head` (lines with CRLF, ending in an empty one) and `body`, and reads until the other side closes or
 * the answer is whole. Undefined when the connection was closed without an answer.
 */
export async function sendRaw(
  port: number,
  head: string,
  body: AsyncIterable<Buffer> | Iterable<Buffer> = [],
  milliseconds = 10_000,
): Promise<RawAnswer | undefined> {
  const socket = connect(port, '127.0.0.1')
  let received = Buffer.alloc(0)
  const closed = Promise.withResolvers<void>()
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (isWhole(received)) closed.resolve()
  })
  // A server that refuses a body may close before all of it was sent.
  socket.on('error', () => closed.resolve())
  socket.on('close', () => closed.resolve())
  const timer = setTimeout(
    () => closed.reject(new LodgeError('timeout', `no answer within ${milliseconds} ms`)),
    milliseconds,
  )
  try {
    socket.write(Buffer.from(head, 'latin1'))
    void sendBody()
    await closed.promise
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
  return parse(received)

  async function sendBody(): Promise<void> {
    for await (const chunk of body) {
      if (socket.destroyed || received.length > 0) return
      if (!socket.write(chunk))
        await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
    }
  }
}

function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return false
  const head = bytes.subarray(0, end).toString('latin1')
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  return length !== undefined && bytes.length >= end + 4 + Number(length)
}

function parse(bytes: Buffer): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const text = bytes.subarray(end + 4).toString('utf8')
  const isJson = headers.has('content-length') && /json/.test(headers.get('content-type') ?? '')
  return { status: Number(first.split(' ')[1]), headers, body: isJson && text ? JSON.parse(text) : text }
}
