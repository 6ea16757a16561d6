import type { Clock } from '../base/clock.ts'

/**
 * Does `work` every `ms` until the signal is aborted, never twice at once. The first time comes after a part of
 * `ms` that depends on the seed, so that many hosts do not speak in the same moment.
 */
export function repeat(
  options: { clock: Clock; ms: number; seed: string; signal: AbortSignal },
  work: () => Promise<void>,
): void {
  const { clock, ms, seed, signal } = options
  const loop = async (): Promise<void> => {
    await clock.sleep(ms * (0.5 + fractionOf(seed) / 2), signal)
    while (!signal.aborted) {
      await work()
      await clock.sleep(ms, signal)
    }
  }
  // It ends by the signal's rejection of a sleep.
  loop().catch(() => {})
}

/** A number from 0 up to 1 that spreads well over names that differ in a digit. */
function fractionOf(seed: string): number {
  let hash = 0
  for (const character of seed) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0
  return (Math.imul(hash, 2_654_435_761) >>> 0) / 4_294_967_296
}
