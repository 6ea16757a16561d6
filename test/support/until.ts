import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError } from '../../src/base/errors.ts'

/**
 * Asks again and again until `probe` gives something other than undefined or false, and returns that.
 * @throws LodgeError timeout naming `what` was waited for
 */
export async function until<T>(
  what: string,
  milliseconds: number,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  every = 100,
): Promise<T> {
  const end = Date.now() + milliseconds
  for (;;) {
    const found = await probe()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new LodgeError('timeout', `waited ${milliseconds} ms in vain for ${what}`)
    await delay(every)
  }
}
