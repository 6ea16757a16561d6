import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { beforeEach, afterEach, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createImageCache, type ImageCache } from '../../../src/agent/disk/image-cache.ts'
import { createImageTool } from '../../../src/agent/disk/image-tool.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import type { ImageTransfer } from '../../../src/contract/image-transfer.ts'
import type { ServerImage } from '../../../src/model/server-spec.ts'
import { plainSpec } from '../../support/domain-inputs.ts'
import { isError } from '../../support/disks-suite.ts'

const content = Buffer.alloc(8192, 'disk')
let directory: string
let fetches: number
/** What the image store sends; tests change it. */
let send: (target: string, signal: AbortSignal | undefined) => Promise<void>

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-cache-'))
  fetches = 0
  send = (target) => writeFile(target, content, { flag: 'wx', mode: 0o600 })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function open(): ImageCache {
  const images: ImageTransfer = {
    async fetch(_id, target, signal) {
      fetches++
      await send(target, signal)
    },
    store: () => Promise.reject(new LodgeError('internal', 'not here')),
  }
  const tool = createImageTool({ addressSpaceMiB: 64, cpuSeconds: 1 }, () =>
    Promise.reject(new LodgeError('internal', 'no tool is needed for a raw image')),
  )
  return createImageCache({
    directory,
    host: 'here',
    alone: true,
    images,
    tool,
    clock: systemClock,
    log: silentLogger(),
  })
}

const ensure = (cache: ImageCache, image: ServerImage, maxBytes: number, signal?: AbortSignal) =>
  cache.use(image, maxBytes, async (base) => base, signal)

const imageOf = (bytes: Buffer, more: Partial<ServerImage> = {}): ServerImage => ({
  ...plainSpec.image,
  diskFormat: 'raw',
  sizeBytes: bytes.length,
  sha512: createHash('sha512').update(bytes).digest('hex'),
  ...more,
})

test('an image is fetched once, named by its content, and nobody may write to it', async () => {
  const cache = open()
  const image = imageOf(content)
  const base = await ensure(cache, image, 0)
  assert.deepEqual(base, {
    file: join(directory, image.sha512.slice(0, 64)),
    format: 'raw',
    virtualSizeBytes: content.length,
  })
  assert.equal(statSync(base.file).mode & 0o777, 0o444)
  // Another image of the same bytes, and another process later.
  assert.deepEqual(await ensure(cache, { ...image, id: 'other' }, 0), base)
  assert.deepEqual(await ensure(open(), image, 0), base)
  assert.equal(fetches, 1)
})

test('many who want one image at once share one transfer', async () => {
  const cache = open()
  const bases = await Promise.all(Array.from({ length: 20 }, () => ensure(cache, imageOf(content), 0)))
  assert.equal(fetches, 1)
  assert.equal(new Set(bases.map(({ file }) => file)).size, 1)
})

test('bytes that are not the image’s are refused, and nothing is left', async () => {
  const wrong = Buffer.alloc(8192, 'evil')
  send = (target) => writeFile(target, wrong)
  await assert.rejects(ensure(open(), imageOf(content), 0), isError('unavailable', /checksum is wrong/))
  send = (target) => writeFile(target, wrong.subarray(1))
  await assert.rejects(ensure(open(), imageOf(content), 0), isError('unavailable', /checksum is wrong/))
  assert.deepEqual(readdirSync(directory), [])
})

test('OSSA-2024-002: a base that is cached already is held against each declaration', async () => {
  const cache = open()
  await ensure(cache, imageOf(content), 0)
  await assert.rejects(
    ensure(cache, imageOf(content, { diskFormat: 'qcow2' }), 0),
    isError('badRequest', /declared to be qcow2, and its content is raw/),
  )
})

test('a failed transfer leaves nothing, and the next one is a new one', async () => {
  const cache = open()
  const works = send
  send = async (target) => {
    await writeFile(target, content.subarray(0, 100))
    throw new LodgeError('notFound', 'The image is gone')
  }
  await assert.rejects(ensure(cache, imageOf(content), 0), isError('notFound', /gone/))
  assert.deepEqual(readdirSync(directory), [])
  send = works
  await ensure(cache, imageOf(content), 0)
})

test('a transfer that nobody waits for any more is aborted', async () => {
  const abort = new AbortController()
  const aborted = Promise.withResolvers<void>()
  send = (target, signal) =>
    new Promise((_resolve, reject) => {
      writeFileSync(target, 'x')
      signal!.addEventListener('abort', () => {
        aborted.resolve()
        reject(signal!.reason as Error)
      })
      abort.abort(new LodgeError('timeout', 'deadline'))
    })
  await assert.rejects(ensure(open(), imageOf(content), 0, abort.signal), /deadline/)
  await aborted.promise
  while (readdirSync(directory).length > 0) await setImmediate()
})

test('what a crash left is removed at start, and a base that was cut off is fetched again', async () => {
  writeFileSync(join(directory, `${'a'.repeat(64)}.1234.part`), 'half')
  const base = await ensure(open(), imageOf(content), 0)
  assert.equal(readdirSync(directory).length, 2)
  rmSync(base.file)
  writeFileSync(base.file, content)
  truncateSync(base.file, 100)
  await ensure(open(), imageOf(content), 0)
  assert.equal(statSync(base.file).size, content.length)
  assert.equal(fetches, 2)
})

for (const sha512 of ['', '../../etc/passwd', 'AB'.repeat(64), 'a'.repeat(127)])
  test(`a checksum that is none never becomes a path: ${JSON.stringify(sha512.slice(0, 20))}`, async () => {
    await assert.rejects(ensure(open(), imageOf(content, { sha512 }), 0), isError('badRequest', /no SHA-512/))
    assert.equal(fetches, 0)
  })

test('an image larger than the free disk is not even fetched', async () => {
  await assert.rejects(
    ensure(open(), imageOf(content, { sizeBytes: 2 ** 52 }), 0),
    isError('unavailable', /no room/),
  )
  assert.equal(fetches, 0)
})

const none = async (): Promise<Set<string>> => new Set()
const ago = (file: string, ms: number): void => {
  const then = (Date.now() - ms) / 1000
  utimesSync(`${file}.json`, then, then)
}

test('a base that no server needs goes when it was not used for long enough, and is fetched again', async () => {
  const cache = open()
  const { file } = await ensure(cache, imageOf(content), 0)
  await cache.removeUnused(60_000, none)
  assert.ok(existsSync(file))
  ago(file, 61_000)
  // Each use counts, not only the first.
  await ensure(cache, imageOf(content), 0)
  await cache.removeUnused(60_000, none)
  ago(file, 61_000)
  await cache.removeUnused(60_000, async () => new Set([file]))
  assert.ok(existsSync(file))
  await cache.removeUnused(60_000, none)
  assert.deepEqual(readdirSync(directory), [])
  assert.equal(fetches, 1)
  await ensure(cache, imageOf(content), 0)
  assert.equal(fetches, 2)
})

test('a base that a build works on stays, also when the build begins or ends while others are looked at', async () => {
  const cache = open()
  const { file } = await ensure(cache, imageOf(content), 0)
  const building = Promise.withResolvers<void>()
  const built = cache.use(imageOf(content), 0, () => building.promise)
  await setImmediate()
  ago(file, 61_000)
  await cache.removeUnused(60_000, none)
  assert.ok(existsSync(file))
  await cache.removeUnused(60_000, async () => {
    building.resolve()
    await built
    ago(file, 61_000)
    return new Set()
  })
  assert.ok(existsSync(file))
  await cache.removeUnused(60_000, async () => {
    await ensure(cache, imageOf(content), 0)
    ago(file, 61_000)
    return new Set()
  })
  assert.ok(existsSync(file))
  assert.equal(fetches, 1)
})

test('what a removal that was cut off left is no base, and goes with the next', async () => {
  const cache = open()
  const { file } = await ensure(cache, imageOf(content), 0)
  renameSync(file, `${file}.1234.part`)
  ago(file, 61_000)
  const next = open()
  assert.deepEqual(readdirSync(directory), [`${basename(file)}.json`])
  await next.removeUnused(60_000, none)
  assert.deepEqual(readdirSync(directory), [])
})
