/** What the C library does with frames that the binding would never send. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { startNativeSession } from '../../src/libvirt/ffi.ts'
import { frameKinds, frameMax } from '../../src/libvirt/frame-format.ts'
import { FrameReader } from '../../src/libvirt/frame-reader.ts'
import { FrameSplitter } from '../../src/libvirt/frame-splitter.ts'
import { FrameWriter } from '../../src/libvirt/frame-writer.ts'
import { calls, tableText } from '../../src/libvirt/table.ts'

const uri = 'test:///default'

/** All that the library sends on a session until it ends it. */
async function collect(socket: Socket): Promise<{ kind: number; reader: FrameReader }[]> {
  const splitter = new FrameSplitter()
  const frames: Buffer[] = []
  socket.on('data', (chunk: Buffer) => frames.push(...splitter.push(chunk)))
  // What is sent while the library shuts its side is lost, as it should be.
  socket.on('error', () => undefined)
  await once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
  return frames.map((frame) => {
    const reader = new FrameReader(frame)
    return { kind: reader.u8(), reader }
  })
}

test('the table of the C library and that of TypeScript are the same', async () => {
  const socket = startNativeSession(uri)
  socket.end()
  const [hello] = await collect(socket)
  assert.equal(hello?.kind, frameKinds.hello)
  assert.deepEqual(hello.reader.string().split('\n'), tableText().split('\n'))
})

function request(index: number, write: (writer: FrameWriter) => void, id = 1): Buffer {
  const writer = new FrameWriter(frameKinds.request)
  writer.u32(id)
  writer.u16(index)
  write(writer)
  return writer.finish()
}

const indexOf = (name: string): number => Object.keys(calls).indexOf(name)
const reset = indexOf('domainReset')
const copy = indexOf('domainBlockCopy')
const uuid = 'c0ffee00-0000-4000-8000-000000000001'

const endless = Buffer.alloc(4)
endless.writeUInt32LE(frameMax + 1)

const malformed: [string, Buffer][] = [
  ['an empty frame', Buffer.alloc(4)],
  ['a length beyond the bound', endless],
  ['another kind than a request', new FrameWriter(frameKinds.result).finish()],
  ['a request without its head', new FrameWriter(frameKinds.request).finish()],
  ['a row that does not exist', request(9999, () => undefined)],
  ['id 0', request(reset, (writer) => writer.fields(calls.domainReset.args, { uuid }), 0)],
  ['no arguments', request(reset, () => undefined)],
  ['an argument too few', request(reset, (writer) => writer.string(uuid))],
  [
    'an argument too many',
    request(reset, (writer) => writer.fields({ a: 'string', b: 'u32', c: 'u32' }, { a: uuid, b: 0, c: 0 })),
  ],
  [
    'null for a string that may not be',
    request(reset, (writer) => writer.fields({ a: 'string?', b: 'u32' }, { b: 0 })),
  ],
  [
    'a string without its final zero',
    request(reset, (writer) => {
      writer.u32(1)
      writer.u16(0x6161)
      writer.u32(0)
    }),
  ],
  [
    'a string with a zero within',
    request(reset, (writer) => {
      writer.u32(3)
      writer.u32(0x00610061)
      writer.u32(0)
    }),
  ],
  ['a string longer than the frame', request(reset, (writer) => writer.u32(0xfffffffe))],
  [
    'a list longer than lists may be',
    request(indexOf('domainFSFreeze'), (writer) => {
      writer.string(uuid)
      writer.u32(0x7fffffff)
    }),
  ],
  [
    'a typed parameter of no type',
    request(copy, (writer) => {
      for (const value of [uuid, 'vda', '<disk/>']) writer.string(value)
      writer.u32(1)
      writer.string('bandwidth')
      writer.u32(42)
      writer.u32(0)
      writer.u32(0)
    }),
  ],
  [
    'a typed parameter whose name is too long',
    request(copy, (writer) => {
      for (const value of [uuid, 'vda', '<disk/>']) writer.string(value)
      writer.u32(1)
      writer.string('x'.repeat(200))
      writer.u32(1)
      writer.u32(0)
      writer.u32(0)
    }),
  ],
]

for (const [what, bytes] of malformed) {
  test(`${what} ends the session with a clear error`, async () => {
    const socket = startNativeSession(uri)
    socket.write(bytes)
    const last = (await collect(socket)).at(-1)
    assert.equal(last?.kind, frameKinds.error)
    assert.equal(last.reader.u32(), 0)
    assert.equal(last.reader.i32(), -3)
    for (let i = 0; i < 3; i++) last.reader.u32()
    assert.match(last.reader.string(), /malformed|longer than frames may be/)
  })
}

test('whatever bytes arrive, the session answers or ends, and the process lives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(Object.keys(calls).length - 1),
      fc.uint8Array({ maxLength: 120 }),
      async (index, bytes) => {
        const socket = startNativeSession(uri)
        socket.end(request(index, (writer) => bytes.forEach((byte) => writer.u8(byte))))
        const frames = await collect(socket)
        assert.equal(frames[0]?.kind, frameKinds.hello)
      },
    ),
    { numRuns: 60 },
  )
})

test('a frame cut off by the end of the stream is no harm', async () => {
  const socket = startNativeSession(uri)
  socket.end(request(reset, (writer) => writer.string(uuid)).subarray(0, 20))
  const kinds = (await collect(socket)).map(({ kind }) => kind)
  assert.deepEqual(kinds, [frameKinds.hello, frameKinds.ready])
})
