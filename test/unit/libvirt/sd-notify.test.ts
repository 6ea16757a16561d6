import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import koffi from 'koffi'
import { sdNotify, watchdogMilliseconds } from '../../../src/libvirt/sd-notify.ts'

let directory: string
before(() => void (directory = mkdtempSync(join(tmpdir(), 'lodge-notify-'))))
after(() => rmSync(directory, { recursive: true, force: true }))

test('tells what it is given, one line each', () => {
  const socket = listenOn(join(directory, 'notify'))
  const environment = { NOTIFY_SOCKET: join(directory, 'notify') }
  assert.equal(sdNotify({ ready: true, status: 'serving' }, environment), true)
  assert.equal(sdNotify({ watchdog: true }, environment), true)
  assert.equal(sdNotify({ stopping: true }, environment), true)
  assert.deepEqual(
    [socket.receive(), socket.receive(), socket.receive()],
    ['READY=1\nSTATUS=serving', 'WATCHDOG=1', 'STOPPING=1'],
  )
  socket.close()
})

test('reaches a socket in the abstract namespace', () => {
  const name = `lodge-test-${process.pid}`
  const socket = listenOn(`\0${name}`)
  assert.equal(sdNotify({ ready: true }, { NOTIFY_SOCKET: `@${name}` }), true)
  assert.equal(socket.receive(), 'READY=1')
  socket.close()
})

test('a status cannot smuggle in another message', () => {
  const socket = listenOn(join(directory, 'status'))
  sdNotify({ status: 'one\nMAINPID=1\r\ntwo' }, { NOTIFY_SOCKET: join(directory, 'status') })
  assert.equal(socket.receive(), 'STATUS=one MAINPID=1 two')
  socket.close()
})

test('never blocks: a full queue is an answer', () => {
  const socket = listenOn(join(directory, 'full'))
  const environment = { NOTIFY_SOCKET: join(directory, 'full') }
  let told = 0
  while (told < 100_000 && sdNotify({ watchdog: true }, environment)) told++
  assert.ok(told > 0 && told < 100_000)
  socket.close()
})

test('without systemd, or with a socket that is none, it says so and does nothing', () => {
  assert.equal(sdNotify({ ready: true }, {}), false)
  assert.equal(sdNotify({ ready: true }, { NOTIFY_SOCKET: '' }), false)
  assert.equal(sdNotify({ ready: true }, { NOTIFY_SOCKET: join(directory, 'nobody') }), false)
  assert.equal(sdNotify({ ready: true }, { NOTIFY_SOCKET: 'relative' }), false)
  assert.equal(sdNotify({ ready: true }, { NOTIFY_SOCKET: `/${'x'.repeat(200)}` }), false)
})

test('the watchdog is read from the environment', () => {
  assert.equal(watchdogMilliseconds({ WATCHDOG_USEC: '30000000' }), 30_000)
  assert.equal(watchdogMilliseconds({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '17' }, 17), 30_000)
  assert.equal(watchdogMilliseconds({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '17' }, 18), undefined)
  for (const WATCHDOG_USEC of ['', '0', '-5', 'soon', undefined])
    assert.equal(watchdogMilliseconds({ WATCHDOG_USEC }), undefined)
})

/** A datagram socket bound to `path`; Node.js has none, so libc's own calls stand in for systemd's side. */
function listenOn(path: string) {
  const libc = koffi.load('libc.so.6')
  const unixDatagram = [1, 2, 0]
  const call = libc.func('int socket(int, int, int)')
  const descriptor = call(...unixDatagram) as number
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(path)])
  assert.equal(libc.func('int bind(int, const void *, uint)')(descriptor, address, address.length), 0)
  const receive = libc.func('intptr_t recv(int, _Out_ void *, size_t, int)')
  return {
    receive(): string {
      const buffer = Buffer.alloc(4096)
      const doNotWait = 0x40
      const length = receive(descriptor, buffer, buffer.length, doNotWait) as number
      assert.ok(length >= 0, 'no message arrived')
      return buffer.subarray(0, length).toString()
    },
    close: () => void libc.func('int close(int)')(descriptor),
  }
}
