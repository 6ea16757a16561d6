import { LodgeError } from '../../../base/errors.ts'
import { unlimited } from '../../../model/quota.ts'
import { updateImage } from '../../../store/images.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { metadata, wrapped } from '../../common/schema-parts.ts'
import { ownImage, visibleImage } from '../../image/access.ts'
import { checkCounts, isWritable, refuseOurs } from '../../image/attributes.ts'

/** The last microversion with these routes; they are the image's custom properties. */
const max = 38

const allOf = [{ schema: wrapped('metadata', metadata) }]
const oneOf = [{ schema: wrapped('meta', { ...metadata, minProperties: 1, maxProperties: 1 }) }]

type Metadata = Record<string, string>

export const imageMetadataRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/images/:image_id/metadata',
    max,
    policy: 'image-metadata:index',
    role: 'any',
    success: 200,
    summary: "Lists an image's metadata",
    handler: async (request) => ({ body: { metadata: await read(services, request) } }),
  },
  {
    method: 'POST',
    path: '/images/:image_id/metadata',
    max,
    policy: 'image-metadata:create',
    role: 'any',
    success: 200,
    body: allOf,
    summary: 'Adds metadata to an image, or overwrites it',
    handler: async (request) => {
      const { metadata: sent } = request.body as { metadata: Metadata }
      return { body: { metadata: await change(services, request, (had) => ({ ...had, ...sent })) } }
    },
  },
  {
    method: 'PUT',
    path: '/images/:image_id/metadata',
    max,
    policy: 'image-metadata:update_all',
    role: 'any',
    success: 200,
    body: allOf,
    summary: "Replaces an image's metadata",
    handler: async (request) => {
      const { metadata: sent } = request.body as { metadata: Metadata }
      return { body: { metadata: await change(services, request, () => sent) } }
    },
  },
  {
    method: 'GET',
    path: '/images/:image_id/metadata/:id',
    max,
    policy: 'image-metadata:show',
    role: 'any',
    success: 200,
    summary: 'Shows one item of metadata',
    handler: async (request) => {
      const key = keyOf(request)
      return { body: { meta: { [key]: itemOf(await read(services, request), key) } } }
    },
  },
  {
    method: 'PUT',
    path: '/images/:image_id/metadata/:id',
    max,
    policy: 'image-metadata:update',
    role: 'any',
    success: 200,
    body: oneOf,
    summary: 'Sets one item of metadata',
    handler: async (request) => {
      const { meta } = request.body as { meta: Metadata }
      if (!Object.hasOwn(meta, keyOf(request)))
        throw new LodgeError('badRequest', 'Request body and URI mismatch')
      await change(services, request, (had) => ({ ...had, ...meta }))
      return { body: { meta } }
    },
  },
  {
    method: 'DELETE',
    path: '/images/:image_id/metadata/:id',
    max,
    policy: 'image-metadata:delete',
    role: 'any',
    success: 204,
    summary: 'Removes one item of metadata',
    handler: async (request) => {
      const key = keyOf(request)
      await change(services, request, (had) => {
        itemOf(had, key)
        return Object.fromEntries(Object.entries(had).filter(([name]) => name !== key))
      })
      return {}
    },
  },
]

async function read({ store }: ApiServices, request: ApiRequest): Promise<Metadata> {
  const image = await visibleImage(store.db, imageIdOf(request), request.caller)
  return image.properties
}

/** Replaces the image's properties by what `next` makes of them, within the quota of metadata items. */
async function change(
  { store, clock, config }: ApiServices,
  request: ApiRequest,
  next: (had: Metadata) => Metadata,
): Promise<Metadata> {
  const { caller } = request
  return store.transaction(async (trx) => {
    const image = await ownImage(trx, imageIdOf(request), caller, 'modify_image')
    const properties = next(image.properties)
    for (const name of Object.keys(properties)) {
      if (Object.hasOwn(image.properties, name)) continue
      refuseOurs(name)
      if (isWritable(name))
        throw new LodgeError('badRequest', `${name} is an attribute of the image, not metadata.`)
    }
    const { metadata_items: most } = await effectiveQuotas(trx, config, caller.projectId ?? '')
    if (most !== unlimited && Object.keys(properties).length > most)
      throw new LodgeError('forbidden', 'Image metadata limit exceeded')
    checkCounts({ properties })
    await updateImage(trx, image.id, { properties }, clock.now())
    return properties
  })
}

function itemOf(items: Metadata, key: string): string {
  const value = Object.hasOwn(items, key) ? items[key] : undefined
  if (value === undefined) throw new LodgeError('notFound', 'Metadata item was not found')
  return value
}

const imageIdOf = (request: ApiRequest): string => request.params['image_id'] ?? ''
const keyOf = (request: ApiRequest): string => request.params['id'] ?? ''
