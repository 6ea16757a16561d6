import type { Clock } from '../base/clock.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { Bus } from '../bus/bus.ts'
import type { ServerImage } from '../model/server-spec.ts'

export interface PreheatOptions {
  ask: Bus['ask']
  hosts: readonly string[]
  images: readonly ServerImage[]
  /** Hosts that fetch at once. */
  parallel: number
  /** After which a host is given up. */
  timeoutMs: number
  clock: Clock
  log: Logger
}

/**
 * Brings images to hosts ahead of their use, several hosts at once, each host one image after the other. Best effort, as
 * in Nova: what fails is logged, and the first server fetches its image as ever. Never throws.
 */
export async function preheatImages(options: PreheatOptions): Promise<void> {
  const { parallel, log } = options
  // One iterator for all: each takes the next.
  const waiting = options.hosts.values()
  async function work(): Promise<void> {
    for (const host of waiting)
      for (const image of options.images)
        try {
          await preheat(options, host, image)
          log.info({ host, image: image.id }, 'an image is on a host ahead of its use')
        } catch (error) {
          log.warn(
            { host, image: image.id, reason: messageOf(error) },
            'an image was not brought to a host ahead of its use',
          )
          if (error instanceof LodgeError && error.kind === 'unavailable') break
        }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, options.hosts.length) }, work))
}

async function preheat({ ask, clock, timeoutMs }: PreheatOptions, host: string, image: ServerImage) {
  const until = clock.now() + timeoutMs
  for (;;) {
    // An agent answers when the image is there, and after a while at all events.
    const { state } = await ask<'cacheImage'>({ version: 1, host, name: 'cacheImage', params: { image } })
    if (state === 'cached') return
    if (clock.now() >= until) throw new LodgeError('timeout', 'It takes too long')
  }
}
