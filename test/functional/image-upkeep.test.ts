/** Images where several controllers keep them: one store, a directory for each, and peers that are in this process. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/base/logging.ts'
import { newUuid } from '../../src/base/ids.ts'
import type { ImagePeers, ImageSlices } from '../../src/contract/image-peers.ts'
import { createImageFiles, uploadDiedMs, type ImageStore } from '../../src/daemon/image-files.ts'
import { startImageUpkeep } from '../../src/daemon/image-upkeep.ts'
import type { ImageRecord, ImageStatus } from '../../src/model/image.ts'
import { deleteImage, getImage, insertImage, updateImage } from '../../src/store/images.ts'
import type { Store } from '../../src/store/store.ts'
import { systemClock } from '../../src/base/clock.ts'
import { openTestStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

interface Controller {
  directory: string
  images: ImageStore
  stop(): Promise<void>
}

interface Bed extends AsyncDisposable {
  store: Store
  start(name: string): Controller
  /** Makes an image without data. */
  image(status: ImageStatus, updatedAt?: number): Promise<string>
  /** Uploads `data` there, as the API does. */
  upload(at: Controller, id: string, data: string): Promise<void>
}

async function makeBed(): Promise<Bed> {
  const root = mkdtempSync(join(tmpdir(), 'lodge-upkeep-'))
  const store = await openTestStore(join(root, 'lodge.db'))
  const shelves = new Map<string, ImageSlices>()
  const listeners = new Map<string, () => void>()
  const controllers: Controller[] = []

  const peersOf = (name: string): ImagePeers => ({
    async read(imageId) {
      for (const [other, files] of shelves) {
        const data = other === name ? undefined : await files.slice(imageId, 0, 1 << 20)
        if (data)
          return (async function* () {
            yield data
          })()
      }
      return undefined
    },
    changed: () => {
      for (const [other, told] of listeners) if (other !== name) told()
    },
    onChanged: (listener) => listeners.set(name, listener),
    serve: (files) => shelves.set(name, files),
  })

  return {
    store,
    start(name) {
      const directory = join(root, name)
      mkdirSync(directory, { recursive: true })
      const peers = peersOf(name)
      const images = createImageFiles({
        directory,
        store,
        clock: systemClock,
        peers,
        freeBytes: async () => 2 ** 40,
      })
      peers.serve(images)
      const end = startImageUpkeep({
        directory,
        images,
        store,
        clock: systemClock,
        log: silentLogger(),
        peers,
      })
      const controller = {
        directory,
        images,
        stop: async () => {
          shelves.delete(name)
          listeners.delete(name)
          await end()
        },
      }
      controllers.push(controller)
      return controller
    },
    async image(status, updatedAt = Date.now()) {
      const id = newUuid()
      await insertImage(store.db, { ...empty, id, status, createdAt: updatedAt, updatedAt })
      return id
    },
    async upload(at, id, data) {
      await updateImage(store.db, id, { status: 'saving' }, Date.now())
      await at.images.write(id, bytesOf(data), async (written) => {
        await updateImage(store.db, id, { status: 'active', ...written }, Date.now())
      })
    },
    async [Symbol.asyncDispose]() {
      for (const controller of controllers) await controller.stop()
      await store.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

const empty: Omit<ImageRecord, 'id' | 'status' | 'createdAt' | 'updatedAt'> = {
  name: 'x',
  owner: null,
  visibility: 'public',
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
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function textOf(controller: Controller, id: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of await controller.images.read(id)) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('an upload at one is fetched by the others, which have it when the first has died', async () => {
  await using bed = await makeBed()
  const [one, two] = [bed.start('one'), bed.start('two')]
  const id = await bed.image('queued')
  await bed.upload(one, id, 'data of an image')
  await until('the copy', 5000, () => existsSync(join(two.directory, id)))
  await one.stop()
  assert.equal(await textOf(two, id), 'data of an image')
  // One that starts later has it from those that are there.
  const three = bed.start('three')
  await until('the late copy', 5000, () => existsSync(join(three.directory, id)))
})

test('what is read before the copy is there is fetched for the reader; what nobody has is not found', async () => {
  await using bed = await makeBed()
  const one = bed.start('one')
  const id = await bed.image('queued')
  await bed.upload(one, id, 'early')
  const two = bed.start('two')
  assert.equal(await textOf(two, id), 'early')
  const lost = await bed.image('active')
  await assert.rejects(textOf(two, lost), { kind: 'notFound' })
})

test('data that is not what the record says is not kept', async () => {
  await using bed = await makeBed()
  const one = bed.start('one')
  const id = await bed.image('queued')
  await bed.upload(one, id, 'the true data')
  writeFileSync(join(one.directory, id), 'the bad data!')
  const two = bed.start('two')
  await assert.rejects(textOf(two, id), { kind: 'unavailable' })
  assert.equal(existsSync(join(two.directory, id)), false)
  assert.equal(existsSync(join(two.directory, `${id}.part`)), false)
})

test('a deleted image goes everywhere, and another with its id is not taken for it', async () => {
  await using bed = await makeBed()
  const [one, two] = [bed.start('one'), bed.start('two')]
  const id = await bed.image('queued')
  await bed.upload(one, id, 'first')
  await until('the copy', 5000, () => existsSync(join(two.directory, id)))
  await deleteImage(bed.store.db, id)
  await insertImage(bed.store.db, {
    ...empty,
    id,
    status: 'queued',
    createdAt: Date.now(),
    updatedAt: Date.now(),
  })
  await bed.upload(one, id, 'other')
  assert.equal(await textOf(two, id), 'other')
  await deleteImage(bed.store.db, id)
  await one.images.remove(id)
  await until('the copy to go', 5000, () => !existsSync(join(two.directory, id)))
})

test('uploads that died are queued again; those of other controllers that live are left alone', async () => {
  await using bed = await makeBed()
  const died = await bed.image('saving', Date.now() - uploadDiedMs - 1000)
  const alive = await bed.image('saving', Date.now() - 1000)
  const one = bed.start('one')
  await until('the dead one', 5000, async () => (await getImage(bed.store.db, died))?.status === 'queued')
  assert.equal((await getImage(bed.store.db, alive))?.status, 'saving')

  const old = join(one.directory, `${died}.part`)
  const young = join(one.directory, `${alive}.part`)
  const stray = join(one.directory, newUuid())
  for (const path of [old, young, stray]) writeFileSync(path, 'half')
  utimesSync(old, new Date(0), new Date(0))
  writeFileSync(join(one.directory, 'notes.txt'), 'not ours')
  await bed.start('two').images.remove(newUuid())
  await until('the remains to go', 5000, () => !existsSync(old) && !existsSync(stray))
  assert.deepEqual(
    [readFileSync(young, 'utf8'), readFileSync(join(one.directory, 'notes.txt'), 'utf8')],
    ['half', 'not ours'],
  )
})

test('a long upload says that it lives', async (t) => {
  await using bed = await makeBed()
  const one = bed.start('one')
  const id = await bed.image('saving', 1000)
  t.mock.timers.enable({ apis: ['setInterval'] })
  const rest = Promise.withResolvers<void>()
  const writing = one.images.write(
    id,
    (async function* () {
      yield Buffer.from('slow')
      await rest.promise
    })(),
    async () => {},
  )
  await until('the first bytes', 5000, () => existsSync(join(one.directory, `${id}.part`)))
  await updateImage(bed.store.db, id, { status: 'saving' }, 1000)
  t.mock.timers.tick(uploadDiedMs / 2)
  await until('the sign of life', 5000, async () => {
    const image = await getImage(bed.store.db, id)
    return image?.status === 'saving' && image.updatedAt > 1000
  })
  rest.resolve()
  await writing
})
