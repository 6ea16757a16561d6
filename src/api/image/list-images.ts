import { LodgeError } from '../../base/errors.ts'
import { isImageVisible, type ImageRecord } from '../../model/image.ts'
import { getImage, listImages } from '../../store/images.ts'
import type { Db } from '../../store/store.ts'
import { pageOf } from '../common/paging.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { imageView } from './image-view.ts'
import { filterOf, sortOf } from './list-query.ts'

/** Glance's page when none is asked for. */
const defaultLimit = 25

/** GET /images */
export const listImagesRoute = ({ store: { db }, config }: ApiServices): Route => ({
  method: 'GET',
  path: '/images',
  exactPath: true,
  policy: 'get_images',
  role: 'reader',
  success: 200,
  summary: 'Lists the images that the caller may see',
  handler: async (request) => {
    const page = pageOf(request, config)
    const limit = request.query['limit'] === undefined ? defaultLimit : page.limit
    const marker = page.marker === null ? undefined : await markerOf(db, page.marker, request)
    const images =
      limit === 0 ? [] : await listImages(db, filterOf(request), { limit, marker, sort: sortOf(request) })
    const last = images.length === limit ? images.at(-1) : undefined
    return {
      body: {
        images: images.map(imageView),
        first: pathWith(request, null),
        ...(last ? { next: pathWith(request, last.id) } : {}),
        schema: '/v2/schemas/images',
      },
    }
  },
})

async function markerOf(db: Db, id: string, { caller }: ApiRequest): Promise<ImageRecord> {
  const image = await getImage(db, id)
  if (!image || !isImageVisible(image, caller))
    throw new LodgeError('badRequest', `Invalid marker: there is no image ${id.slice(0, 64)}.`)
  return image
}

/** The list's path with its query, but for the marker: Glance gives paths, without the service's root. */
function pathWith({ query }: ApiRequest, marker: string | null): string {
  const parameters = new URLSearchParams()
  for (const [key, values] of Object.entries(query))
    if (key !== 'marker') for (const value of values) parameters.append(key, value)
  if (marker !== null) parameters.append('marker', marker)
  const text = parameters.toString()
  return text === '' ? '/v2/images' : `/v2/images?${text}`
}
