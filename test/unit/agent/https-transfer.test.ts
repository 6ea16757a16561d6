/** Disks on their way between agents of two processes: what arrives, who is refused, and what is left after a failure. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once, type EventEmitter } from 'node:events'
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { request, type RequestOptions } from 'node:https'
import { connect as connectPlain, createServer as createPlainServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createDiskOffers, type DiskOffers } from '../../../src/agent/disk-transfer/disk-offers.ts'
import { openHttpsTransfer, type HttpsDiskTransfer } from '../../../src/agent/disk-transfer/https-transfer.ts'
import type { Disks } from '../../../src/agent/disk/disks.ts'
import { writeSparse } from '../../../src/agent/disk/write-sparse.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import type { DiskOffer } from '../../../src/contract/disk-transfer.ts'

const idleMs = 1500
const serverId = 'b2f9d0a6-6c9c-4e51-8f6c-0a6d9f0f5a11'

describe('disks over HTTPS between two processes', { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-transfer-'))
  const arrived = join(directory, 'arrived')
  let sender: HttpsDiskTransfer
  let receiver: HttpsDiskTransfer
  let offers: DiskOffers
  /** In the place of writing to a file. */
  let takeInstead: ((data: AsyncIterable<Uint8Array>) => Promise<void>) | undefined
  let ended: string[]

  const openOne = (bandwidthMiBps = 0): Promise<HttpsDiskTransfer> =>
    openHttpsTransfer({
      listen: '127.0.0.1',
      port: 0,
      address: async () => '127.0.0.1',
      idleMs,
      bandwidthMiBps,
      log: silentLogger(),
    })

  before(async () => {
    sender = await openOne()
    receiver = await openOne()
    const disks: Pick<Disks, 'receive'> = {
      async receive({ name, sizeBytes }, data) {
        try {
          if (takeInstead) return await takeInstead(data)
          const written = await writeSparse(`${arrived}.${name}`, data, sizeBytes)
          if (written !== sizeBytes) throw new LodgeError('badRequest', 'too short')
        } catch (error) {
          rmSync(`${arrived}.${name}`, { force: true })
          ended.push(String(error))
          throw error
        }
      },
    }
    offers = createDiskOffers('far', disks as Disks, receiver)
    await receiver.serve('far', offers)
  })
  after(async () => {
    await sender.close()
    await receiver.close()
    rmSync(directory, { recursive: true, force: true })
  })
  beforeEach(() => {
    takeInstead = undefined
    ended = []
  })
  afterEach(async () => {
    await offers.withdraw(serverId)
    for (const name of readdirSync(directory)) rmSync(join(directory, name))
  })

  const never = new AbortController().signal
  const sendBytes = (offer: DiskOffer, bytes: Buffer, sizeBytes = bytes.length): Promise<void> =>
    sender.send(offer, { serverId, name: 'disk', sizeBytes }, pieces(bytes), never)
  const unavailable = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof LodgeError, String(error))
    assert.equal(error.kind, 'unavailable')
    assert.match(error.message, message)
    return true
  }
  const leftBehind = (): string[] => readdirSync(directory)

  test('a file arrives whole, with its holes', async () => {
    const offer = await offers.make(serverId, false)
    assert.match(offer.url ?? '', /^https:\/\/127\.0\.0\.1:\d+$/)
    const bytes = Buffer.concat([randomBytes(300_000), Buffer.alloc(8 * 2 ** 20), randomBytes(123)])
    await sendBytes(offer, bytes)
    assert.ok(readFileSync(`${arrived}.disk`).equals(bytes))
    assert.ok(statSync(`${arrived}.disk`).blocks * 512 < 2 * 2 ** 20)
    // One offer is for all files of the server.
    await sender.send(offer, { serverId, name: 'disk.eph0', sizeBytes: 3 }, pieces(Buffer.from('abc')), never)
    assert.equal(readFileSync(`${arrived}.disk.eph0`, 'latin1'), 'abc')
    await sender.send(offer, { serverId, name: 'empty', sizeBytes: 0 }, pieces(Buffer.alloc(0)), never)
    assert.equal(readFileSync(`${arrived}.empty`).length, 0)
  })

  test('a host of the same process is sent to without the network', async () => {
    const offer = await offers.make(serverId, false)
    await receiver.send({ ...offer, url: 'https://192.0.2.1:1' }, disk(3), pieces(Buffer.from('abc')), never)
    assert.equal(readFileSync(`${arrived}.disk`, 'latin1'), 'abc')
  })

  test('a wrong secret, and one whose offer is withdrawn, are refused before a byte of the disk is sent', async () => {
    const offer = await offers.make(serverId, false)
    let read = 0
    const data = counted(randomBytes(1000), () => (read += 1))
    const wrong = { ...offer, secret: `${offer.secret.slice(0, -1)}!` }
    await assert.rejects(sender.send(wrong, disk(1000), data, never), unavailable(/does not offer/))
    await offers.withdraw(serverId)
    await assert.rejects(sender.send(offer, disk(1000), data, never), unavailable(/does not offer/))
    await offers.make(serverId, false)
    await assert.rejects(sender.send(offer, disk(1000), data, never), unavailable(/does not offer/))
    assert.equal(read, 0)
    assert.deepEqual(leftBehind(), [])
  })

  test('whoever has another certificate than the offer says is told nothing', async () => {
    const offer = await offers.make(serverId, false)
    const fingerprint = (await sender.address('near')).fingerprint!.replace(/^../, 'FF')
    await assert.rejects(
      sendBytes({ ...offer, fingerprint }, randomBytes(1000)),
      unavailable(/Host far .* another certificate/),
    )
    assert.deepEqual(ended, [])
    assert.deepEqual(leftBehind(), [])
  })

  test('data that are shorter or longer than was said are refused, on either side', async () => {
    const offer = await offers.make(serverId, false)
    const wrongLength = { name: 'LodgeError', kind: 'badRequest', message: /1000 bytes/ }
    await assert.rejects(sendBytes(offer, randomBytes(999), 1000), wrongLength)
    await assert.rejects(sendBytes(offer, randomBytes(1001), 1000), wrongLength)
    // A sender that is none of ours: it says 1000, sends 10, and goes.
    const strange = put(receiver.port, offer.secret, { 'content-length': 1000 })
    strange.write(randomBytes(10))
    await delay(200)
    strange.destroy()
    await offers.withdraw(serverId)
    assert.deepEqual(leftBehind(), [])
  })

  test('a length must be declared, and other requests are no disks', async () => {
    const offer = await offers.make(serverId, false)
    const undeclared = put(receiver.port, offer.secret, { 'transfer-encoding': 'chunked' })
    undeclared.end('abc')
    assert.equal(await statusOf(undeclared), 400)
    const elsewhere = put(
      receiver.port,
      offer.secret,
      { 'content-length': 0 },
      '/v1/hosts/far/servers/%ff/disks/a',
    )
    elsewhere.end()
    assert.equal(await statusOf(elsewhere), 404)
    const unknownHost = put(
      receiver.port,
      offer.secret,
      { 'content-length': 0 },
      '/v1/hosts/x/servers/y/disks/a',
    )
    unknownHost.end()
    assert.equal(await statusOf(unknownHost), 503)
    assert.deepEqual(leftBehind(), [])
  })

  test('an aborted sender throws why, and leaves nothing at the receiver', async () => {
    const offer = await offers.make(serverId, false)
    const stop = new AbortController()
    async function* slow(): AsyncIterable<Uint8Array> {
      yield randomBytes(500_000)
      stop.abort(new LodgeError('conflict', 'The move was taken back'))
      await delay(50)
      yield randomBytes(500_000)
    }
    await assert.rejects(sender.send(offer, disk(1_000_000), slow(), stop.signal), {
      message: 'The move was taken back',
    })
    await offers.withdraw(serverId)
    assert.deepEqual(leftBehind(), [])
    assert.equal(ended.length, 1)
  })

  test('what the receiver throws in the middle travels back', async () => {
    const offer = await offers.make(serverId, false)
    takeInstead = async (data) => {
      for await (const _ of data) throw new LodgeError('tooLarge', 'The host has no room for it')
    }
    await assert.rejects(sendBytes(offer, randomBytes(8 * 2 ** 20)), {
      kind: 'tooLarge',
      message: 'The host has no room for it',
    })
    takeInstead = async (data) => {
      for await (const _ of data)
        throw Object.assign(new LodgeError('internal', 'ENOSPC: no space left on device, write'))
    }
    await assert.rejects(sendBytes(offer, randomBytes(8 * 2 ** 20)), { kind: 'internal', message: /ENOSPC/ })
  })

  test('a receiver that takes long to bring the last bytes to disk is waited for', async () => {
    const offer = await offers.make(serverId, false)
    takeInstead = async (data) => {
      for await (const _ of data);
      await delay(2 * idleMs)
    }
    await sendBytes(offer, randomBytes(1000))
  })

  test('a receiver that takes no more is given up, and hears of it', async () => {
    const offer = await offers.make(serverId, false)
    takeInstead = async (data) => {
      for await (const _ of data) await delay(4 * idleMs, undefined, { ref: false })
    }
    await assert.rejects(sendBytes(offer, randomBytes(32 * 2 ** 20)), unavailable(/Host far/))
  })

  test('a sender that falls silent is cut off; one that comes again takes its place at once', async () => {
    const offer = await offers.make(serverId, false)
    const silent = put(receiver.port, offer.secret, { 'content-length': 1000 })
    silent.write(randomBytes(10))
    await delay(100)
    await sendBytes(offer, Buffer.from('the whole'))
    assert.equal(readFileSync(`${arrived}.disk`, 'latin1'), 'the whole')
    assert.match(ended[0] ?? '', /come again/)

    const other = put(receiver.port, offer.secret, { 'content-length': 1000 })
    other.write(randomBytes(10))
    await closed(other, 4 * idleMs)
    await offers.withdraw(serverId)
    assert.deepEqual(leftBehind(), [])
  })

  test('a transfer takes no more of the network than it may', async () => {
    const slow = await openOne(4)
    const offer = await offers.make(serverId, false)
    const started = performance.now()
    await slow.send(offer, disk(2 ** 22), pieces(Buffer.alloc(2 ** 22)), never)
    const took = performance.now() - started
    await slow.close()
    // A second, less the last piece, after which there is nothing to wait for.
    assert.ok(took > 650)
  })

  test('withdrawing an offer ends what is being taken before it returns', async () => {
    const offer = await offers.make(serverId, false)
    const silent = put(receiver.port, offer.secret, { 'content-length': 1000 })
    silent.write(randomBytes(10))
    await delay(200)
    assert.equal(leftBehind().length, 1)
    await offers.withdraw(serverId)
    assert.deepEqual(leftBehind(), [])
  })

  test('a host that is not there, one that is silent, and one that speaks no TLS are named', async () => {
    const offer = await offers.make(serverId, false)
    const gone = await openOne()
    const address = await gone.address('far')
    await gone.close()
    await assert.rejects(
      sendBytes({ ...offer, ...address }, randomBytes(10)),
      unavailable(/far.*ECONNREFUSED/),
    )

    const plain = createPlainServer(
      (socket) =>
        void socket
          .on('error', () => {})
          .resume()
          .end('SSH-2.0-x\r\n'),
    )
    await once(plain.listen(0, '127.0.0.1'), 'listening')
    const url = `https://127.0.0.1:${(plain.address() as AddressInfo).port}`
    await assert.rejects(sendBytes({ ...offer, url }, randomBytes(10)), unavailable(/Host far/))
    plain.close()

    const strange = { ...offer, url: 'file:///etc/passwd' }
    await assert.rejects(sendBytes(strange, randomBytes(10)), { kind: 'badRequest' })
  })

  test('a connection that never asks for anything is cut off', async () => {
    const socket = connectPlain(receiver.port, '127.0.0.1')
    socket.on('error', () => {})
    const started = Date.now()
    await closed(socket, 15_000)
    assert.ok(Date.now() - started < 14_000)
  })

  test('memory does not grow with the disk', async () => {
    const offer = await offers.make(serverId, false)
    const file = join(directory, 'large')
    const sizeBytes = 2 ** 29
    {
      await using handle = await open(file, 'w')
      await handle.truncate(sizeBytes)
    }
    let most = 0
    let taken = 0
    takeInstead = async (data) => {
      for await (const piece of data) {
        taken += piece.length
        most = Math.max(most, process.memoryUsage.rss())
      }
    }
    const send = (end: number): Promise<void> =>
      sender.send(offer, disk(end + 1), createReadStream(file, { highWaterMark: 2 ** 20, end }), never)
    // What the first bytes load and allocate is not what is measured.
    await send(2 ** 26 - 1)
    const before = most
    await send(sizeBytes - 1)
    assert.equal(taken, 2 ** 26 + sizeBytes)
    assert.ok(most - before < 48 * 2 ** 20, `grew by ${Math.round((most - before) / 2 ** 20)} MiB`)
  })
})

const disk = (sizeBytes: number) => ({ serverId, name: 'disk', sizeBytes })

async function* pieces(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let from = 0; from < bytes.length; from += 2 ** 20) yield bytes.subarray(from, from + 2 ** 20)
}

async function* counted(bytes: Buffer, onRead: () => void): AsyncIterable<Uint8Array> {
  onRead()
  yield bytes
}

/** A request by someone who does not keep to the sender's code. */
function put(
  port: number,
  secret: string,
  headers: RequestOptions['headers'] & object,
  path = `/v1/hosts/far/servers/${serverId}/disks/disk`,
) {
  const made = request({
    host: '127.0.0.1',
    port,
    path,
    method: 'PUT',
    agent: false,
    rejectUnauthorized: false,
    headers: { ...headers, authorization: `Bearer ${secret}` },
  })
  made.on('error', () => {})
  return made
}

/** once() would throw the error that comes first. */
const closed = (what: EventEmitter, ms: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const tooLong = setTimeout(() => reject(new LodgeError('timeout', 'still open')), ms)
    what.once('close', () => {
      clearTimeout(tooLong)
      resolve()
    })
  })

async function statusOf(made: ReturnType<typeof put>): Promise<number | undefined> {
  const [response] = await once(made, 'response')
  response.resume()
  return response.statusCode
}
