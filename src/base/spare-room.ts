import { statfs } from 'node:fs/promises'
import { LodgeError } from './errors.ts'

/** How many bytes an ordinary user may still write to the file system of `directory`. */
export type FreeBytes = (directory: string) => Promise<number>

export const freeBytes: FreeBytes = async (directory) => {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/**
 * Keeps `reserveMiB` of a file system free of image data, since databases that must not stop lie there, too.
 * @param reserveMiB 0: nobody looks
 * @param more what is about to be written, bytes
 * @throws LodgeError tooLarge
 */
export async function assertSpareRoom(
  directory: string,
  reserveMiB: number,
  more = 0,
  measure: FreeBytes = freeBytes,
): Promise<void> {
  if (reserveMiB === 0) return
  if ((await measure(directory)) - more >= reserveMiB * 2 ** 20) return
  throw new LodgeError(
    'tooLarge',
    `There is no room left for image data: ${reserveMiB} MiB of the file system are kept free (image.reserveMiB).`,
  )
}
