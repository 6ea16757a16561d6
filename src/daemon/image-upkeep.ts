import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { ImagePeers } from '../contract/image-peers.ts'
import type { Store } from '../store/store.ts'
import { uploadDiedMs, type ImageStore } from './image-files.ts'

export interface ImageUpkeepOptions {
  directory: string
  images: ImageStore
  store: Store
  clock: Clock
  log: Logger
  /** Other controllers; undefined: there are none. */
  peers?: ImagePeers | undefined
}

/** Half-written files that nobody has touched for so long are of uploads that died. */
const partDiedMs = 300_000
const everyMs = 60_000

/**
 * Looks after a controller's images: what the store has forgotten is removed. Where several controllers keep images,
 * each in a directory of its own (or all in one that they share), what is here no more than elsewhere is fetched, so
 * that any controller may die, and uploads that died with their controller are queued again. At the start, when another
 * controller says that images have changed, and once a minute. Returns how to stop.
 */
export function startImageUpkeep(options: ImageUpkeepOptions): () => Promise<void> {
  const { clock, log, peers } = options
  const stopping = new AbortController()
  let wake: () => void = () => {}

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = Promise.withResolvers<void>()
      wake = woken.resolve
      try {
        await lookAfter(options, stopping.signal)
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'looking after images failed; it is tried again')
      }
      const rest = clock.sleep(everyMs, stopping.signal).catch(() => {})
      await Promise.race([rest, woken.promise])
    }
  }

  peers?.onChanged(() => wake())
  const running = run()
  return async () => {
    stopping.abort()
    wake()
    await running
  }
}

async function lookAfter(options: ImageUpkeepOptions, stopping: AbortSignal): Promise<void> {
  const { directory, store, clock, images, peers, log } = options
  const died = await store.db
    .updateTable('images')
    .set({ status: 'queued', updated_at: clock.now() })
    .where('status', '=', 'saving')
    .where('updated_at', '<', clock.now() - uploadDiedMs)
    .executeTakeFirst()
  if (died.numUpdatedRows > 0n)
    log.info({ images: Number(died.numUpdatedRows) }, 'uploads that died are queued')

  // In this order: an image that comes meanwhile is known.
  const found = new Set(await readdir(directory).catch(() => []))
  const rows = await store.db
    .selectFrom('images')
    .select(['id', 'status', 'size as sizeBytes', 'os_hash_value as sha512', 'created_at as createdAt'])
    .execute()
  const known = new Set(rows.map(({ id }) => id))
  for (const name of found) {
    const id = name.replace(/\.part$/, '')
    if (!uuid.test(id) || images.isWriting(id)) continue
    const isHalf = name !== id
    const isOver = isHalf ? await isOld(join(directory, name), clock.now()) : !known.has(id)
    if (isOver) await rm(join(directory, name), { force: true })
  }
  if (!peers) return
  for (const image of rows) {
    if (stopping.aborted) return
    const { id, status } = image
    if ((status !== 'active' && status !== 'deactivated') || (await images.has(image))) continue
    await images.bring(id).catch((error: unknown) => {
      log.warn({ image: id, reason: messageOf(error) }, 'an image could not be had from another controller')
    })
  }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

async function isOld(path: string, now: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && found.mtimeMs < now - partDiedMs
}
