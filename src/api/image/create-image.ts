import { LodgeError } from '../../base/errors.ts'
import { newUuid } from '../../base/ids.ts'
import type { ImageRecord } from '../../model/image.ts'
import { insertImage } from '../../store/images.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { checkCounts, setAttribute } from './attributes.ts'
import { imageView } from './image-view.ts'

/** POST /images: the record alone; its data comes with PUT. */
export const createImageRoute = ({ store, clock }: ApiServices): Route => ({
  method: 'POST',
  path: '/images',
  policy: 'add_image',
  role: 'member',
  success: 201,
  // Attributes are checked one by one, as those of an update.
  body: [{ schema: { type: 'object' } }],
  summary: 'Creates an image without data',
  handler: async (request) => {
    const image = newImage(request, clock.now())
    await insertImage(store.db, image)
    return {
      headers: {
        location: `${request.links.versioned}/images/${image.id}`,
      },
      body: imageView(image),
    }
  },
})

function newImage({ body, caller }: ApiRequest, now: number): ImageRecord {
  const { id, ...attributes } = body as Record<string, unknown>
  const image: ImageRecord = {
    id: idOf(id),
    name: null,
    status: 'queued',
    owner: caller.projectId,
    visibility: 'shared',
    protected: false,
    hidden: false,
    containerFormat: null,
    diskFormat: null,
    minDiskGiB: 0,
    minRamMiB: 0,
    sizeBytes: null,
    virtualSizeBytes: null,
    md5: null,
    sha512: null,
    properties: {},
    tags: [],
    createdAt: now,
    updatedAt: now,
  }
  for (const [name, value] of Object.entries(attributes)) setAttribute(image, name, value, caller)
  checkCounts(image)
  return image
}

/** The client's own id in the one form that ids have here, or a new one. */
function idOf(id: unknown): string {
  if (id === undefined) return newUuid()
  if (typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id))
    return id.toLowerCase()
  throw new LodgeError(
    'badRequest',
    'The id of an image is a UUID such as 6e0b57b0-c5ae-4b0c-9b5c-1f0b2c9d5a11.',
  )
}
