import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, readdirSync, rmSync } from 'node:fs'
import { rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import type { Logger } from '../../base/logging.ts'
import type { ImageTransfer } from '../../contract/image-transfer.ts'
import { assertDeclared, checkImage } from '../../model/image-inspection/check-image.ts'
import type { ImageContent } from '../../model/image-inspection/image-content.ts'
import { inspectImage } from '../../model/image-inspection/inspect-image.ts'
import type { ServerImage } from '../../model/server-spec.ts'
import { assertFits } from './assert-fits.ts'
import { partSuffix, publishBase, readBaseRecord, touchBase, type BaseRecord } from './base-record.ts'
import type { ImageTool, ToolFormat } from './image-tool.ts'
import { hostTag } from './names.ts'
import { createSharedJobs } from './shared-jobs.ts'
import { removeUnusedBases } from './unused-bases.ts'
import { createUses } from './uses.ts'

/** An image on this host, ready to be the base of overlays. */
export interface BaseImage {
  file: string
  format: 'qcow2' | 'raw'
  virtualSizeBytes: number
}

export interface ImageCache {
  /**
   * Gives `work` the image as a base on this host, fetched if it is not here yet; until `work` has ended the base
   * stays, and from then on as long as a server's disk record names it. However many ask for one image at once, it
   * is fetched once. `maxVirtualBytes` (0: no limit) is held against an image that would have to be converted
   * before that is done.
   * @throws LodgeError badRequest when the image is not what it says, notFound when it is gone; what `work` throws
   */
  use<T>(
    image: ServerImage,
    maxVirtualBytes: number,
    work: (base: BaseImage) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
  /**
   * Removes bases that were not used for `unusedMs`. Those that `named` resolves with (paths) stay: servers' disks
   * stand on them.
   */
  removeUnused(unusedMs: number, named: () => Promise<ReadonlySet<string>>): Promise<void>
}

export interface ImageCacheOptions {
  directory: string
  /** This host, as other hosts know it. */
  host: string
  /** No other host works in the directory. */
  alone: boolean
  images: ImageTransfer
  tool: ImageTool
  clock: Clock
  log: Logger
}

/** Formats that QEMU can run from well enough are taken as they are; of the rest a qcow2 is made. */
const convertedFrom: Partial<Record<ImageContent, ToolFormat>> = {
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
  vhdx: 'vhdx',
}

/**
 * Images on a host, in one directory, each under the hash of its content: it can be proven what a file there is,
 * and two images of the same bytes are one file. A base gets its name only after its hash was right and it was
 * inspected; until then it is a `.part` file, which its host's next start removes. Several hosts may have one
 * directory: what one has fetched all use.
 */
export function createImageCache(options: ImageCacheOptions): ImageCache {
  const { directory, log } = options
  removeParts(options)
  const jobs = createSharedJobs<BaseRecord>()
  const uses = createUses()

  return {
    async use(image, maxVirtualBytes, work, signal) {
      const key = keyOf(image)
      using _held = uses.hold(key)
      const file = join(directory, key)
      const record = (await kept()) ?? (await fetchedAndKept())
      assertDeclared(image.diskFormat, record.content)
      return await work({ file, format: record.format, virtualSizeBytes: record.virtualSizeBytes })

      async function kept(): Promise<BaseRecord | undefined> {
        const known = await readBaseRecord(file, image.sha512)
        return known && (await touchBase(file, options.clock.now())) ? known : undefined
      }

      async function fetchedAndKept(): Promise<BaseRecord> {
        const job = jobKey(key, image, maxVirtualBytes)
        const record = await jobs.join(job, (all) => fetched(image, all), signal)
        await touchBase(file, options.clock.now())
        return record
      }

      async function fetched(image: ServerImage, signal: AbortSignal): Promise<BaseRecord> {
        const started = options.clock.now()
        const record = await fetchBase(options, file, image, maxVirtualBytes, signal)
        log.info({ image: image.id, base: key, ms: options.clock.now() - started }, 'image cached')
        return record
      }
    },

    async removeUnused(unusedMs, named) {
      const before = options.clock.now() - unusedMs
      // A server that is being built has no record yet: its base is in use. One whose build ends now has been seen.
      using inUse = uses.track()
      const standing = await named()
      const isNeeded = (key: string): boolean => inUse.touched(key) || standing.has(join(directory, key))
      const removed = await removeUnusedBases(directory, hostTag(options.host), before, isNeeded)
      if (removed.length > 0)
        log.info({ bases: removed }, 'images that no server needs removed from the cache')
    },
  }
}

/**
 * The first 256 bits of the hash; the record has all of it. This is the only way from an image to a path.
 * @throws LodgeError badRequest
 */
function keyOf(image: ServerImage): string {
  if (!/^[0-9a-f]{128}$/.test(image.sha512))
    throw new LodgeError(
      'badRequest',
      `The image ${image.id} has no SHA-512 checksum, so it cannot be verified.`,
    )
  return image.sha512.slice(0, 64)
}

/** A job that may refuse because of its caller's limit is shared only with callers of the same limit. */
const jobKey = (key: string, image: ServerImage, maxVirtualBytes: number): string =>
  ['vmdk', 'vdi', 'vhd', 'vhdx'].includes(image.diskFormat) ? `${key}/${maxVirtualBytes}` : key

async function fetchBase(
  options: ImageCacheOptions,
  file: string,
  image: ServerImage,
  maxVirtualBytes: number,
  signal: AbortSignal,
): Promise<BaseRecord> {
  const part = `${file}.${hostTag(options.host)}.${randomUUID()}${partSuffix}`
  const converted = `${part}.converted${partSuffix}`
  try {
    await assertRoom(options.directory, image.sizeBytes)
    await options.images.fetch(image.id, part, signal)
    await verify(part, image, signal)
    const checked = await checkImage(part, image.diskFormat)
    const from = convertedFrom[checked.format]
    if (from) {
      assertFits(checked.virtualSizeBytes, maxVirtualBytes)
      await assertRoom(options.directory, checked.virtualSizeBytes)
      await convert(options.tool, { file: part, format: from }, converted, signal)
    }
    const source = from ? converted : part
    const inspected = from ? await inspectImage(converted) : checked
    const record: BaseRecord = {
      version: 1,
      sha512: image.sha512,
      content: checked.format,
      format: inspected.format === 'qcow2' ? 'qcow2' : 'raw',
      fileSizeBytes: (await stat(source)).size,
      virtualSizeBytes: inspected.virtualSizeBytes,
      cachedAt: options.clock.now(),
    }
    signal.throwIfAborted()
    await publishBase(source, file, record)
    return record
  } finally {
    await rm(part, { force: true })
    await rm(converted, { force: true })
  }
}

async function convert(
  tool: ImageTool,
  source: { file: string; format: ToolFormat },
  target: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await tool.convert(source, { file: target, format: 'qcow2' }, { trusted: false, signal })
  } catch (thrown) {
    if (!(thrown instanceof LodgeError)) throw thrown
    throw new LodgeError(
      'badRequest',
      `The image cannot be used: it could not be converted. ${thrown.message}.`,
      {
        cause: thrown,
        details: thrown.details,
      },
    )
  }
}

/** Size first, which is free; then the hash, read in pieces small enough not to hold up the process. */
async function verify(part: string, image: ServerImage, signal: AbortSignal): Promise<void> {
  const { size } = await stat(part)
  const hash = createHash('sha512')
  if (size === image.sizeBytes)
    await pipeline(createReadStream(part, { highWaterMark: 1 << 20 }), hash, { signal })
  if (size !== image.sizeBytes || hash.digest('hex') !== image.sha512)
    throw new LodgeError(
      'unavailable',
      `The image ${image.id} did not arrive as it was stored; its checksum is wrong.`,
      { details: { size, expected: image.sizeBytes } },
    )
}

async function assertRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bytes > bavail * bsize)
    throw new LodgeError(
      'unavailable',
      `This host has no room for the image: it needs ${bytes} bytes, and ${bavail * bsize} are free.`,
    )
}

/** At start: what an earlier process of this host left half-done. */
function removeParts({ directory, host, alone }: ImageCacheOptions): void {
  const isOurs = (name: string): boolean => alone || name.split('.')[1] === hostTag(host)
  for (const name of readdirSync(directory))
    if (name.endsWith(partSuffix) && isOurs(name)) rmSync(join(directory, name), { force: true })
}
