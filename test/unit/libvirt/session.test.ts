import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import type { LodgeError } from '../../../src/base/errors.ts'
import { frameKinds } from '../../../src/libvirt/frame-format.ts'
import { FrameWriter } from '../../../src/libvirt/frame-writer.ts'
import { Session } from '../../../src/libvirt/session.ts'
import { events, tableText, type EventName } from '../../../src/libvirt/table.ts'

const uuid = 'c0ffee00-0000-4000-8000-000000000001'

/** A session over a stream whose other side the test plays. */
function play() {
  const requests: Buffer[] = []
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      requests.push(chunk)
      done()
    },
  })
  const seen: [EventName, Record<string, unknown>][] = []
  const lost: LodgeError[] = []
  const session = new Session(stream, {
    event: (name, record) => seen.push([name, record]),
    lost: (error) => lost.push(error),
  })
  const send = async (...frames: Buffer[]): Promise<void> => {
    stream.push(Buffer.concat(frames))
    await setImmediate()
  }
  return { session, stream, requests, seen, lost, send }
}

function frame(kind: number, write: (writer: FrameWriter) => void = () => undefined): Buffer {
  const writer = new FrameWriter(kind)
  write(writer)
  return writer.finish()
}

const hello = frame(frameKinds.hello, (writer) => writer.string(tableText()))
const ready = frame(frameKinds.ready)
const closed = eventFrame('connectionClosed', (writer) => writer.i32(1))

function eventFrame(name: EventName, write: (writer: FrameWriter) => void): Buffer {
  return frame(frameKinds.event, (writer) => {
    writer.u16(Object.keys(events).indexOf(name))
    write(writer)
  })
}

const result = (id: number, write: (writer: FrameWriter) => void): Buffer =>
  frame(frameKinds.result, (writer) => {
    writer.u32(id)
    write(writer)
  })

const failure = (id: number, code: number, alive: number, message: string): Buffer =>
  frame(frameKinds.error, (writer) => {
    writer.u32(id)
    for (const number of [code, 10, 2]) writer.i32(number)
    writer.u32(alive)
    writer.string(message)
  })

test('answers reach the calls they belong to, in whatever order they come', async () => {
  const { session, send } = play()
  await send(hello, ready)
  await session.ready
  const first = session.call('connectGetHostname', {})
  const second = session.call('domainGetState', { uuid })
  const third = assert.rejects(session.call('domainReset', { uuid }), {
    kind: 'conflict',
    message: 'not running',
  })
  await send(
    failure(3, 55, 1, 'not running'),
    result(2, (writer) => {
      writer.i32(1)
      writer.i32(5)
    }),
    result(1, (writer) => writer.string('host')),
  )
  assert.deepEqual(await first, { hostname: 'host' })
  assert.deepEqual(await second, { state: 1, reason: 5 })
  await third
})

test('a library of another version is refused', async () => {
  const { session, send, lost } = play()
  await send(frame(frameKinds.hello, (writer) => writer.string(tableText().replace('quick', 'slow'))))
  await assert.rejects(session.ready, { kind: 'unavailable', message: /another version.*setup build/ })
  assert.equal(lost.length, 1)
})

test('a failure to connect is that of the session', async () => {
  const { session, send } = play()
  await send(hello, failure(0, 38, 0, 'Failed to connect socket'))
  await assert.rejects(session.ready, { kind: 'unavailable', message: 'Failed to connect socket' })
})

test('events arrive by name and in order', async () => {
  const { send, seen } = play()
  const lifecycle = (event: number): Buffer =>
    eventFrame('lifecycle', (writer) => {
      writer.string(uuid)
      writer.string('one')
      writer.i32(event)
      writer.i32(0)
    })
  await send(hello, ready, lifecycle(2), lifecycle(3))
  assert.deepEqual(seen, [
    ['lifecycle', { uuid, name: 'one', event: 2, detail: 0 }],
    ['lifecycle', { uuid, name: 'one', event: 3, detail: 0 }],
  ])
})

test('when the connection is lost, pending calls fail, later ones too, and it is told once', async () => {
  const { session, send, lost, stream } = play()
  await send(hello, ready)
  const failed = assert.rejects(session.call('domainManagedSave', { uuid }), {
    kind: 'unavailable',
    message: /domainManagedSave is not known/,
  })
  await send(closed, failure(1, 1, 0, 'client socket is closed'))
  stream.push(null)
  await setImmediate()
  await failed
  await assert.rejects(session.call('domainReset', { uuid }), { kind: 'unavailable' })
  assert.equal(lost.length, 1)
  assert.match(lost[0]!.message, /libvirtd closed it/)
})

const unexpectedFrames: [string, Buffer][] = [
  ['a result that nobody asked for', result(7, () => undefined)],
  ['a result cut short', result(1, (writer) => writer.u8(0))],
  [
    'a result with something behind',
    result(1, (writer) => writer.fields({ a: 'string', b: 'i32' }, { a: 'x', b: 1 })),
  ],
  ['a kind that does not exist', frame(99)],
  ['a request', frame(frameKinds.request)],
  ['an event that does not exist', frame(frameKinds.event, (writer) => writer.u16(999))],
  ['a frame of no bytes', Buffer.alloc(4)],
  ['an endless frame', Buffer.from([0xff, 0xff, 0xff, 0xff])],
]
for (const [what, bytes] of unexpectedFrames) {
  test(`${what} ends the session with a clear error`, async () => {
    const { session, send, lost, stream } = play()
    await send(hello, ready)
    const failed = assert.rejects(session.call('connectGetHostname', {}), /libvirt library/)
    await send(bytes)
    await failed
    assert.equal(lost.length, 1)
    assert.equal(lost[0]!.kind, 'internal')
    assert.ok(stream.destroyed)
  })
}

test('a bad argument fails its call and nothing else', async () => {
  const { session, send, requests } = play()
  await send(hello, ready)
  await assert.rejects(session.call('domainReset', { uuid: 'a\0b' }), { kind: 'badRequest' })
  assert.equal(requests.length, 0)
  const good = session.call('connectGetHostname', {})
  await send(result(2, (writer) => writer.string('host')))
  assert.deepEqual(await good, { hostname: 'host' })
})

test('end gives calls under way their time, and no more', async () => {
  const { session, send, lost } = play()
  await send(hello, ready)
  const pending = session.call('domainManagedSave', { uuid })
  const failed = assert.rejects(pending, { kind: 'unavailable' })
  await session.end(20)
  await failed
  assert.equal(lost.length, 0)
  await assert.rejects(session.call('connectGetHostname', {}), { kind: 'unavailable' })
})
