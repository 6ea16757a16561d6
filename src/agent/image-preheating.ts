import type { Clock } from '../base/clock.ts'
import type { ServerImage } from '../model/server-spec.ts'
import type { Disks } from './disk/disks.ts'

/** Images that are brought to this host ahead of their use. */
export interface ImagePreheating {
  /**
   * Whether the image is in the host's cache. One that is not begins to be fetched, which takes as long as it takes: ask
   * again, and again, until it is there.
   * @throws what the fetching threw, to those who waited for it
   */
  cache(image: ServerImage): Promise<'cached' | 'under-way'>
  /** Ends what is being fetched. */
  stop(): void
}

/** @param patienceMs how long a question waits for its image */
export function createImagePreheating(disks: Disks, clock: Clock, patienceMs = 10_000): ImagePreheating {
  const stopped = new AbortController()
  const underWay = new Map<string, Promise<'cached'>>()

  function begin(image: ServerImage): Promise<'cached'> {
    const fetching = disks
      .cacheImage(image, stopped.signal)
      .then(() => 'cached' as const)
      .finally(() => underWay.delete(image.id))
    // Nobody may be waiting in the moment it fails.
    fetching.catch(() => {})
    underWay.set(image.id, fetching)
    return fetching
  }

  return {
    async cache(image) {
      const over = new AbortController()
      const tooLong = clock.sleep(patienceMs, over.signal).then(() => 'under-way' as const)
      try {
        return await Promise.race([underWay.get(image.id) ?? begin(image), tooLong])
      } finally {
        tooLong.catch(() => {})
        over.abort()
      }
    },
    stop: () => stopped.abort(),
  }
}
