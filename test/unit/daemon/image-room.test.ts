import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { defaultConfig, type Config } from '../../../src/base/config.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { newUuid } from '../../../src/base/ids.ts'
import { createImageFiles } from '../../../src/daemon/image-files.ts'
import { insertImage } from '../../../src/store/images.ts'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'

const MiB = 2 ** 20

/** An image store on a disk of `freeMiB`, of which all that is written is gone. */
async function setUp(t: TestContext, limits: Partial<Config['image']>, freeMiB: number) {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-room-'))
  const store = await openSqliteStore({ path: ':memory:' })
  t.after(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })
  let written = 0
  const files = createImageFiles({
    directory: join(directory, 'images'),
    store,
    clock: systemClock,
    limits: { ...defaultConfig.image, ...limits },
    freeBytes: async () => freeMiB * MiB - written,
  })
  async function* data(sizeMiB: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < sizeMiB * 4; i += 1) {
      yield Buffer.alloc(MiB / 4)
      written += MiB / 4
    }
  }
  const imageId = newUuid()
  await insertImage(store.db, {
    id: imageId,
    name: 'image',
    status: 'queued',
    owner: null,
    visibility: 'private',
    protected: false,
    hidden: false,
    containerFormat: 'bare',
    diskFormat: 'raw',
    minDiskGiB: 0,
    minRamMiB: 0,
    sizeBytes: null,
    virtualSizeBytes: null,
    md5: null,
    sha512: null,
    properties: {},
    tags: [],
    createdAt: 1,
    updatedAt: 1,
  })
  return {
    files,
    imageId,
    written: () => written / MiB,
    upload: (sizeMiB: number) => files.write(imageId, data(sizeMiB), async () => {}),
    left: () => readdirSync(join(directory, 'images')),
    snapshot: (sizeMiB: number): string => {
      const path = join(directory, 'snapshot')
      writeFileSync(path, Buffer.alloc(sizeMiB * MiB))
      return path
    },
    all: () => readdirSync(directory),
  }
}

const tooLarge = (words: RegExp) => (error: unknown) =>
  error instanceof LodgeError &&
  error.kind === 'tooLarge' &&
  error.status === 413 &&
  words.test(error.message)

test('an upload to a disk without spare room is refused before its first byte', async (t) => {
  const { upload, left, written } = await setUp(t, { reserveMiB: 100 }, 100)
  await assert.rejects(upload(1), tooLarge(/no room left.*100 MiB.*kept free.*image\.reserveMiB/))
  assert.equal(written(), 0)
  assert.deepEqual(left(), [])
})

test('an upload that eats the spare room is ended soon, and leaves nothing', async (t) => {
  const { upload, left, written } = await setUp(t, { reserveMiB: 100 }, 130)
  await assert.rejects(upload(80), tooLarge(/no room left/))
  assert.ok(written() >= 30 && written() <= 48, `after ${written()} MiB`)
  assert.deepEqual(left(), [])
})

test('an upload that fits passes, and without a reserve nobody looks', async (t) => {
  await (await setUp(t, { reserveMiB: 100 }, 130)).upload(20)
  await (await setUp(t, { reserveMiB: 0 }, 0)).upload(1)
})

test('an image larger than an image may be is refused: uploaded or made of a server', async (t) => {
  const { files, imageId, upload, left, written, snapshot, all } = await setUp(t, { maxSizeMiB: 3 }, 10_000)
  await upload(3)
  await files.remove(imageId)
  await assert.rejects(upload(10), tooLarge(/too large.*3 MiB.*image\.maxSizeMiB/))
  assert.ok(written() < 3 + 4)
  assert.deepEqual(left(), [])
  await assert.rejects(files.store(imageId, snapshot(4)), tooLarge(/too large/))
  assert.deepEqual(all(), ['images'])
  assert.deepEqual(await files.store(imageId, snapshot(3)), { sizeBytes: 3 * MiB })
})
