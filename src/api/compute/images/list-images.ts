import { LodgeError } from '../../../base/errors.ts'
import type { ImageRecord } from '../../../model/image.ts'
import { getImage, listImages, type ImageFilter } from '../../../store/images.ts'
import { limitOrMax, nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiReply, ApiRequest, ApiServices, VersionedSchema } from '../../common/route.ts'
import { parseTime } from '../../common/time.ts'
import { queryValue } from '../parameters.ts'

const size = {
  type: 'array',
  items: { type: ['integer', 'string'], minLength: 1, pattern: '^[0-9]*$', minimum: 1 },
}
/** Anything else is a filter, or ignored. */
export const listImagesQuery: VersionedSchema[] = [
  {
    schema: {
      type: 'object',
      properties: { limit: size, page_size: size, offset: size },
      additionalProperties: true,
    },
  },
]

type View = (image: ImageRecord, services: ApiServices, request: ApiRequest) => Record<string, unknown>

/** A page of the images that the caller may see, the newest first. */
export async function imageList(
  services: ApiServices,
  request: ApiRequest,
  path: string,
  view: View,
): Promise<ApiReply> {
  const { store, config } = services
  const page = pageOf(request, config)
  const limit = limitOrMax(page, config)
  const marker = page.marker === null ? undefined : await getImage(store.db, page.marker)
  if (page.marker !== null && !marker)
    throw new LodgeError('badRequest', `Marker ${page.marker} could not be found.`)
  const images = await listImages(store.db, filterOf(request), {
    limit,
    marker,
    sort: [{ key: 'created_at', direction: 'desc' }],
  })
  const ids = images.map(({ id }) => id)
  const links = nextLinks(request, path, limit, ids)
  return {
    body: {
      images: images.map((image) => view(image, services, request)),
      ...(links.length > 0 && { images_links: links }),
    },
  }
}

function filterOf(request: ApiRequest): ImageFilter {
  const { projectId, isAdmin } = request.caller
  const filter: ImageFilter = {
    hidden: false,
    properties: propertiesOf(request),
    ...(isAdmin
      ? { withoutForeignCommunity: { projectId } }
      : { visibleTo: { projectId, community: false } }),
  }
  const name = queryValue(request, 'name')
  const status = queryValue(request, 'status')
  const since = queryValue(request, 'changes-since')
  if (name !== undefined) filter.names = [name]
  if (status !== undefined) filter.statuses = [status.toLowerCase()]
  if (since !== undefined) filter.times = [{ column: 'updated_at', comparison: 'gte', at: timeOf(since) }]
  filter.minRamMiB = numberOf(request, 'minRam')
  filter.minDiskGiB = numberOf(request, 'minDisk')
  return filter
}

/** `server` may be a link to it; `type` is `image_type`; any property can be asked for as `property-<name>`. */
function propertiesOf(request: ApiRequest): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const key of Object.keys(request.query)) {
    const name = key === 'type' ? 'image_type' : /^property-(.+)$/.exec(key)?.[1]
    const value = queryValue(request, key)
    if (name !== undefined && value !== undefined) properties[name] = value
  }
  const server = queryValue(request, 'server')
  if (server !== undefined) properties['instance_uuid'] = server.split('/').at(-1) ?? server
  return properties
}

function timeOf(text: string): number {
  const time = parseTime(text)
  if (time === undefined) throw new LodgeError('badRequest', `Invalid changes-since filter [${text}]`)
  return time
}

function numberOf(request: ApiRequest, key: 'minRam' | 'minDisk'): number | undefined {
  const text = queryValue(request, key)
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new LodgeError('badRequest', `Invalid ${key} filter [${text}]`)
  return Number(text)
}
