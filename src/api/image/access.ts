import { LodgeError } from '../../base/errors.ts'
import { isImageOwner, isImageVisible, type ImageRecord } from '../../model/image.ts'
import { getImage } from '../../store/images.ts'
import type { Db } from '../../store/store.ts'
import { isUuid } from '../common/formats.ts'
import type { Caller } from '../common/route.ts'

/** @throws LodgeError notFound, also for images that the caller may not see */
export async function visibleImage(db: Db, id: string, caller: Caller): Promise<ImageRecord> {
  const image = isUuid(id) ? await getImage(db, id) : undefined
  if (!image || !isImageVisible(image, caller)) throw noSuchImage(id)
  return image
}

/** @throws LodgeError notFound as above, forbidden for images of others */
export async function ownImage(db: Db, id: string, caller: Caller, action: string): Promise<ImageRecord> {
  const image = await visibleImage(db, id, caller)
  if (!caller.isAdmin && !isImageOwner(image, caller))
    throw new LodgeError('forbidden', `You are not authorized to complete ${action} action.`)
  return image
}

export const noSuchImage = (id: string): LodgeError =>
  new LodgeError('notFound', `No image found with ID ${id.slice(0, 255)}`)
