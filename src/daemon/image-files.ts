import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageFiles, WrittenImage } from '../api/common/route.ts'
import type { Clock } from '../base/clock.ts'
import { defaultConfig, type Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import { assertSpareRoom, freeBytes, type FreeBytes } from '../base/spare-room.ts'
import type { ImagePeers, ImageSlices } from '../contract/image-peers.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import { checkImage } from '../model/image-inspection/check-image.ts'
import type { ImageRecord } from '../model/image.ts'
import { getImage, updateImage } from '../store/images.ts'
import type { Store } from '../store/store.ts'
import {
  chunkBytes,
  copyNew,
  exists,
  hashFile,
  isMissing,
  moveFile,
  putInPlace,
  storageError,
  writeHashed,
} from './durable-files.ts'

export interface ImageFilesOptions {
  /** Made at the first use; mode 0700. */
  directory: string
  store: Store
  clock: Clock
  /** The default settings when absent. */
  limits?: Config['image']
  /** Other controllers, which may have what is not here. */
  peers?: ImagePeers | undefined
  /** Tests have disks of their own making. */
  freeBytes?: FreeBytes
}

export interface ImageStore extends ImageFiles, ImageTransfer, ImageSlices {
  /**
   * Fetches the data of an active image from another controller, unless it is here.
   * @throws LodgeError notFound when no other has it, unavailable when it broke off or is not what the record says
   */
  bring(imageId: string): Promise<void>
  /** Whether the image's data is here, as that record says. */
  has(image: Pick<ImageRecord, 'id' | 'sha512' | 'sizeBytes' | 'createdAt'>): Promise<boolean>
  /** Whether its data is being written here now. */
  isWriting(imageId: string): boolean
  /**
   * For the start of the only controller, before it serves: uploads that died with the last process are queued
   * again; what they left, and files of no image, are removed. Returns how many images and how many files.
   */
  recover(): Promise<{ requeued: number; removed: number }>
}

/**
 * Image data as files in one directory, named by the image's id alone. Data is written to `<id>.part` and renamed
 * when it is on disk, so a file with the plain name is whole.
 */
export function createImageFiles(options: ImageFilesOptions): ImageStore {
  const { directory, store, clock, peers, limits = defaultConfig.image } = options
  const { db } = store
  const assertRoom = (more = 0): Promise<void> =>
    assertSpareRoom(directory, limits.reserveMiB, more, options.freeBytes ?? freeBytes)
  const path = (imageId: string): string => join(directory, fileNameOf(imageId))
  const partPath = (imageId: string): string => `${path(imageId)}.part`

  /** Ids whose data is being written: an id that is deleted and taken again may see two uploads at a time. */
  const writing = new Set<string>()

  const write: ImageFiles['write'] = async (imageId, data, accept) => {
    const part = partPath(imageId)
    await alone(imageId, async () => {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const written = await sayingSo(imageId, () => writeHashed(part, bounded(data)))
        await putInPlace(part, path(imageId))
        hashes.set(imageId, written.sha512)
        await accept(written)
        peers?.changed()
      } catch (error) {
        await remove(imageId)
        // The image was deleted meanwhile, and what was written with it.
        throw isMissing(error) ? gone(imageId) : storageError(error)
      }
    })
  }

  /** Says all the time that the upload lives, so that no other controller takes it for one that died with us. */
  async function sayingSo<T>(imageId: string, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => {
      // What could not be said now is said next time.
      updateImage(db, imageId, {}, clock.now(), ['saving']).catch(() => {})
    }, uploadDiedMs / 6)
    try {
      return await work()
    } finally {
      clearInterval(timer)
    }
  }

  /** The data as it comes, as long as there is room for it and it is not larger than an image may be. */
  async function* bounded(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let [sizeBytes, unmeasured] = [0, Infinity]
    for await (const chunk of data) {
      sizeBytes += chunk.length
      unmeasured += chunk.length
      assertSize(sizeBytes)
      if (unmeasured > measureEveryBytes) {
        await assertRoom(chunk.length)
        unmeasured = 0
      }
      yield chunk
    }
  }

  function assertSize(bytes: number): void {
    if (limits.maxSizeMiB === 0 || bytes <= limits.maxSizeMiB * 2 ** 20) return
    throw new LodgeError(
      'tooLarge',
      `The image is too large: an image may have ${limits.maxSizeMiB} MiB (image.maxSizeMiB).`,
    )
  }

  async function alone<T>(imageId: string, work: () => Promise<T>): Promise<T> {
    if (writing.has(imageId))
      throw new LodgeError('conflict', `The data of the image ${imageId} is being written already.`)
    writing.add(imageId)
    try {
      return await work()
    } finally {
      writing.delete(imageId)
    }
  }

  /** SHA-512 of the data that this process has written, by image. */
  const hashes = new Map<string, string>()
  const bringing = new Map<string, Promise<void>>()

  function bring(imageId: string): Promise<void> {
    const before = bringing.get(imageId)
    if (before) return before
    const work = bringNow(imageId).finally(() => bringing.delete(imageId))
    bringing.set(imageId, work)
    return work
  }

  /** What is here may be of an image that another controller deleted, and whose id was taken again. */
  const has: ImageStore['has'] = async ({ id, sha512, sizeBytes, createdAt }) => {
    const found = await stat(path(id)).catch(() => undefined)
    if (!found) return false
    const known = hashes.get(id)
    if (known !== undefined) return known === sha512
    return found.size === sizeBytes && found.mtimeMs > createdAt - skewMs
  }

  async function bringNow(imageId: string): Promise<void> {
    const image = await getImage(db, imageId)
    if (image?.status !== 'active' && image?.status !== 'deactivated') throw noData(imageId)
    if (await has(image)) return
    const data = await peers?.read(imageId)
    if (!data) throw noData(imageId)
    const part = partPath(imageId)
    await alone(imageId, async () => {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const { sizeBytes, sha512 } = await writeHashed(part, bounded(data))
        if (sizeBytes !== image.sizeBytes || sha512 !== image.sha512)
          throw new LodgeError('unavailable', `Another controller has other data of the image ${imageId}.`)
        await putInPlace(part, path(imageId))
        hashes.set(imageId, sha512)
      } catch (error) {
        await rm(part, { force: true })
        throw storageError(error)
      }
    })
    // It may have been deleted meanwhile.
    if (!(await getImage(db, imageId))) await remove(imageId)
  }

  async function slice(imageId: string, start: number, length: number): Promise<Uint8Array | undefined> {
    let file: FileHandle
    try {
      file = await open(path(imageId), 'r')
    } catch {
      return undefined
    }
    try {
      const buffer = Buffer.alloc(length)
      const { bytesRead } = await file.read(buffer, 0, length, start)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  async function read(imageId: string, range?: { start: number; end: number }) {
    const file = await openData(imageId)
    return file.createReadStream({ ...range, highWaterMark: chunkBytes })
  }

  async function openData(imageId: string): Promise<FileHandle> {
    try {
      if (peers) await bring(imageId)
      return await open(path(imageId), 'r')
    } catch (error) {
      throw isMissing(error) ? noData(imageId) : error
    }
  }

  async function fetch(imageId: string, target: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const image = await getImage(db, imageId)
    if (image?.status !== 'active') throw noData(imageId)
    if (peers) await bring(imageId)
    await copyNew(path(imageId), target).catch((error: unknown) => {
      throw isMissing(error) ? noData(imageId) : storageError(error)
    })
    if (!signal?.aborted) return
    await rm(target, { force: true })
    signal.throwIfAborted()
  }

  async function takeIn(imageId: string, source: string): Promise<{ sizeBytes: number }> {
    const image = await getImage(db, imageId)
    if (!image || image.status === 'active') {
      await rm(source, { force: true })
      if (!image) throw gone(imageId)
      return { sizeBytes: image.sizeBytes ?? 0 }
    }
    return await alone(imageId, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await assertSourceFits(source)
      await moveFile(source, partPath(imageId), path(imageId), assertRoom).catch(async (error: unknown) => {
        // The last attempt may have got as far as the move, and died before it could say so.
        if (!isMissing(error) || !(await exists(path(imageId)))) throw error
      })
      const written = await hashFile(path(imageId))
      hashes.set(imageId, written.sha512)
      await activate(image, { ...written, virtualSizeBytes: await virtualSizeOf(image) })
      peers?.changed()
      return { sizeBytes: written.sizeBytes }
    })
  }

  /** A snapshot that is too large is refused like an upload; one that has been moved already was not. */
  async function assertSourceFits(source: string): Promise<void> {
    try {
      assertSize((await stat(source)).size)
    } catch (error) {
      if (isMissing(error)) return
      await rm(source, { force: true })
      throw error
    }
  }

  /** A guest may have written what it liked into its disk: what is not as declared is kept, but not believed. */
  async function virtualSizeOf({ id, diskFormat }: ImageRecord): Promise<number | null> {
    if (diskFormat === null) return null
    try {
      return (await checkImage(path(id), diskFormat)).virtualSizeBytes
    } catch (error) {
      if (error instanceof LodgeError) return null
      throw error
    }
  }

  async function activate(
    { id }: ImageRecord,
    facts: WrittenImage & { virtualSizeBytes: number | null },
  ): Promise<void> {
    const changes = { status: 'active', ...facts } as const
    if (await updateImage(db, id, changes, clock.now(), ['queued', 'saving'])) return
    if ((await getImage(db, id))?.status === 'active') return
    await remove(id)
    throw gone(id)
  }

  async function remove(imageId: string): Promise<void> {
    hashes.delete(imageId)
    await rm(path(imageId), { force: true })
    await rm(partPath(imageId), { force: true })
  }

  /** For good, and everywhere. */
  async function removeImage(imageId: string): Promise<void> {
    await remove(imageId)
    peers?.changed()
  }

  async function recover() {
    const died = await db
      .updateTable('images')
      .set({ status: 'queued', updated_at: clock.now() })
      .where('status', '=', 'saving')
      .executeTakeFirst()
    await mkdir(directory, { recursive: true, mode: 0o700 })
    // A queued image may have a whole file: of a snapshot that is about to be taken in again.
    const rows = await db.selectFrom('images').select('id').execute()
    const wanted = new Set(rows.map(({ id }) => fileNameOf(id)))
    const orphans = (await readdir(directory)).filter((name) => isOurs(name) && !wanted.has(name))
    for (const name of orphans) await rm(join(directory, name), { force: true })
    return { requeued: Number(died.numUpdatedRows), removed: orphans.length }
  }

  const isWriting = (imageId: string): boolean => writing.has(imageId)
  return {
    write,
    read,
    path,
    remove: removeImage,
    fetch,
    store: takeIn,
    recover,
    bring,
    has,
    slice,
    isWriting,
  }
}

/** An upload whose controller has not said for so long that it lives has died with it. Controllers say so often. */
export const uploadDiedMs = 120_000

/** Controllers' clocks may differ by so much. */
const skewMs = 300_000

/** So much may come between two looks at the room that is left. */
const measureEveryBytes = 16 * 2 ** 20

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The encoder of ids to names: only the plain form of a UUID ever becomes one. */
function fileNameOf(imageId: string): string {
  if (!uuidForm.test(imageId)) throw gone(imageId)
  return imageId
}

const isOurs = (name: string): boolean => uuidForm.test(name.replace(/\.part$/, ''))

const noData = (imageId: string): LodgeError =>
  new LodgeError('notFound', `The image ${imageId.slice(0, 64)} has no data.`)

const gone = (imageId: string): LodgeError =>
  new LodgeError('notFound', `No image found with ID ${imageId.slice(0, 64)}`)
