import { LodgeError } from '../../base/errors.ts'
import type { ImageRecord } from '../../model/image.ts'
import { getImage, updateImage, type ImageChanges } from '../../store/images.ts'
import { parseJsonBody } from '../common/json-body.ts'
import type { ApiRequest, ApiServices, Caller, Route } from '../common/route.ts'
import { ownImage } from './access.ts'
import { checkCounts, isWritable, refuseOurs, setAttribute } from './attributes.ts'
import { imageView } from './image-view.ts'
import { parsePatch, type PatchOperation } from './json-patch.ts'

/** PATCH /images/{id}, by JSON patch in Glance's two media types. */
export const updateImageRoute = ({ store, clock, config }: ApiServices): Route => ({
  method: 'PATCH',
  path: '/images/:id',
  policy: 'modify_image',
  role: 'member',
  success: 200,
  // The media type is none that the common parser takes.
  rawBody: true,
  summary: 'Changes attributes and properties of an image',
  handler: async (request) => {
    const mediaType = ([request.headers['content-type']].flat()[0] ?? '').split(';')[0]!.trim().toLowerCase()
    const operations = parsePatch(mediaType, await bodyOf(request, config.api.maxBodyBytes))
    const image = await store.transaction(async (trx) => {
      const before = await ownImage(trx, request.params['id']!, request.caller, 'modify_image')
      const changes = changesBy(operations, before, request.caller)
      await updateImage(trx, before.id, changes, clock.now())
      return (await getImage(trx, before.id))!
    })
    return { body: imageView(image) }
  },
})

async function bodyOf({ stream }: ApiRequest, limit: number): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream ?? []) {
    length += chunk.length
    if (length > limit) throw new LodgeError('tooLarge', 'Request is too large.')
    chunks.push(chunk)
  }
  return parseJsonBody(Buffer.concat(chunks))
}

function changesBy(operations: PatchOperation[], image: ImageRecord, caller: Caller): ImageChanges {
  const changes: ImageChanges & Pick<ImageRecord, 'properties'> = { properties: { ...image.properties } }
  for (const { op, attribute, value } of operations) {
    refuseOurs(attribute)
    if (isWritable(attribute)) {
      if (op === 'remove') throw new LodgeError('forbidden', `Property ${attribute} may not be removed.`)
      if (isFormat(attribute) && image.status !== 'queued')
        throw new LodgeError(
          'forbidden',
          `Attribute ${attribute} can be changed only before the image has data, while its status is queued.`,
        )
    } else if (op !== 'add' && !Object.hasOwn(changes.properties, attribute)) {
      throw new LodgeError('conflict', `Property ${attribute} does not exist.`)
    }
    if (op === 'remove') delete changes.properties[attribute]
    else setAttribute(changes, attribute, value, caller)
  }
  checkCounts(changes)
  return changes
}

const isFormat = (attribute: string): boolean =>
  attribute === 'container_format' || attribute === 'disk_format'
