import { LodgeError } from '../../base/errors.ts'

/**
 * Holds an image's virtual size against the flavor's root disk, of which zero bytes mean that there is no limit.
 * @throws LodgeError badRequest
 */
export function assertFits(imageBytes: number, rootBytes: number): void {
  if (rootBytes === 0 || imageBytes <= rootBytes) return
  throw new LodgeError(
    'badRequest',
    `The flavor's root disk is too small for the image: the disk would have ${rootBytes} bytes, and the image ` +
      `needs ${imageBytes}. Choose a flavor with a larger disk.`,
  )
}
