import { constants } from 'node:fs'
import {
  access,
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ImageFiles, WrittenImage } from '../api/common/route.ts'
import type { Clock } from '../base/clock.ts'
import { defaultConfig, type Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import { assertSpareRoom, freeBytes, type FreeBytes } from '../base/spare-room.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import { checkImage } from '../model/image-inspection/check-image.ts'
import type { ImageRecord } from '../model/image.ts'
import { getImage, updateImage } from '../store/images.ts'
import type { Store } from '../store/store.ts'

export interface ImageFilesOptions {
  /** Made at the first use; mode 0700. */
  directory: string
  store: Store
  clock: Clock
  /** The default settings when absent. */
  limits?: Config['image']
  /** Tests have disks of their own making. */
  freeBytes?: FreeBytes
}

export interface ImageStore extends ImageFiles, ImageTransfer {
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
  const { directory, store, clock, limits = defaultConfig.image } = options
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
        const written = await writeHashed(part, bounded(data))
        await putInPlace(part, path(imageId))
        await accept(written)
      } catch (error) {
        await remove(imageId)
        // The image was deleted meanwhile, and what was written with it.
        throw isMissing(error) ? gone(imageId) : storageError(error)
      }
    })
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

  async function read(imageId: string, range?: { start: number; end: number }) {
    const file = await openData(imageId)
    return file.createReadStream({ ...range, highWaterMark: chunkBytes })
  }

  async function openData(imageId: string): Promise<FileHandle> {
    try {
      return await open(path(imageId), 'r')
    } catch (error) {
      throw isMissing(error) ? noData(imageId) : error
    }
  }

  async function fetch(imageId: string, target: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const image = await getImage(db, imageId)
    if (image?.status !== 'active') throw noData(imageId)
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
      await activate(image, { ...written, virtualSizeBytes: await virtualSizeOf(image) })
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
    await rm(path(imageId), { force: true })
    await rm(partPath(imageId), { force: true })
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

  return { write, read, path, remove, fetch, store: takeIn, recover }
}

const chunkBytes = 256 * 1024

/** So much may come between two looks at the room that is left. */
const measureEveryBytes = 16 * 2 ** 20

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The encoder of ids to names: only the plain form of a UUID ever becomes one. */
function fileNameOf(imageId: string): string {
  if (!uuidForm.test(imageId)) throw gone(imageId)
  return imageId
}

const isOurs = (name: string): boolean => uuidForm.test(name.replace(/\.part$/, ''))

/** Writes a new file of mode 0600 that is on disk when this resolves. */
async function writeHashed(target: string, data: AsyncIterable<Uint8Array>): Promise<WrittenImage> {
  await using file = await open(target, 'w', 0o600)
  const hashes = newHashes()
  for await (const chunk of data) {
    hashes.add(chunk)
    await writeAll(file, chunk)
  }
  await file.sync()
  return hashes.result()
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let rest = chunk
  while (rest.length > 0) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}

async function hashFile(path: string): Promise<WrittenImage> {
  await using file = await open(path, 'r')
  const hashes = newHashes()
  for await (const chunk of file.createReadStream({ highWaterMark: chunkBytes, autoClose: false }))
    hashes.add(chunk as Buffer)
  return hashes.result()
}

function newHashes() {
  // MD5 protects nothing here: it is what old clients compare a download with.
  const md5 = createHash('md5')
  const sha512 = createHash('sha512')
  let sizeBytes = 0
  return {
    add: (chunk: Uint8Array) => {
      md5.update(chunk)
      sha512.update(chunk)
      sizeBytes += chunk.length
    },
    result: () => ({ sizeBytes, md5: md5.digest('hex'), sha512: sha512.digest('hex') }),
  }
}

/** Moves a file to `target`, on disk when this resolves; across file systems by way of a copy at `part`. */
async function moveFile(
  source: string,
  part: string,
  target: string,
  assertRoom: (more: number) => Promise<void>,
): Promise<void> {
  await chmod(source, 0o600)
  await syncPath(source)
  try {
    await putInPlace(source, target)
    return
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
  }
  try {
    await rm(part, { force: true })
    await assertRoom((await stat(source)).size)
    await copyNew(source, part)
    await syncPath(part)
    await putInPlace(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw storageError(error)
  }
  await rm(source, { force: true })
}

/** Shares the blocks where the file system can. Leaves no half of a copy. */
async function copyNew(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') await rm(target, { force: true })
    throw error
  }
  await chmod(target, 0o600)
}

async function putInPlace(source: string, target: string): Promise<void> {
  await rename(source, target)
  await syncPath(join(target, '..'))
}

async function syncPath(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.sync()
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code
const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT'

function storageError(error: unknown): unknown {
  const code = codeOf(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new LodgeError('tooLarge', 'There is no room left for image data.', { cause: error })
}

const noData = (imageId: string): LodgeError =>
  new LodgeError('notFound', `The image ${imageId.slice(0, 64)} has no data.`)

const gone = (imageId: string): LodgeError =>
  new LodgeError('notFound', `No image found with ID ${imageId.slice(0, 64)}`)
