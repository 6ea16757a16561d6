import { LodgeError } from '../../base/errors.ts'
import { isPlainContainer, type ImageRecord } from '../../model/image.ts'
import { checkImage } from '../../model/image-inspection/check-image.ts'
import { updateImage } from '../../store/images.ts'
import type { ApiReply, ApiRequest, ApiServices, Route, WrittenImage } from '../common/route.ts'
import { noSuchImage, ownImage, visibleImage } from './access.ts'
import { byteRange } from './byte-range.ts'

/** PUT and GET of /images/{id}/file. */
export const imageDataRoutes = (services: ApiServices): Route[] => [
  {
    method: 'PUT',
    path: '/images/:id/file',
    policy: 'upload_image',
    role: 'member',
    success: 204,
    rawBody: true,
    summary: 'Uploads the data of an image and inspects it',
    handler: async (request) => await upload(services, request),
  },
  {
    method: 'GET',
    path: '/images/:id/file',
    policy: 'download_image',
    role: 'reader',
    success: 200,
    summary: 'Downloads the data of an image, whole or one range',
    handler: async (request) => await download(services, request),
  },
]

/** queued -> saving -> active; whatever goes wrong leaves the image queued and without data. */
async function upload(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const { store, clock } = services
  const type = ([request.headers['content-type']].flat()[0] ?? '').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/octet-stream')
    throw new LodgeError('unsupportedMediaType', 'Send image data as application/octet-stream.')
  const image = await ownImage(store.db, request.params['id']!, request.caller, 'upload_image')
  const { id, containerFormat, diskFormat } = image
  if (containerFormat === null || diskFormat === null)
    throw new LodgeError('badRequest', 'Set disk_format and container_format before sending data.')
  if (!(await updateImage(store.db, id, { status: 'saving' }, clock.now(), ['queued'])))
    throw new LodgeError(
      'conflict',
      `Image data cannot be sent: the image's status is ${image.status}, not queued.`,
    )

  try {
    await services.imageFiles.write(id, request.stream ?? nothing(), (written) =>
      activate(services, image, written),
    )
  } catch (error) {
    await updateImage(store.db, id, { status: 'queued' }, clock.now(), ['saving'])
    throw isBrokenOff(error)
      ? new LodgeError('badRequest', 'The image data broke off before its end.', { cause: error })
      : error
  }
  return {}
}

/** @throws LodgeError badRequest when the data is not what was declared, notFound when the image is gone */
async function activate(services: ApiServices, image: ImageRecord, written: WrittenImage): Promise<void> {
  const { store, clock, imageFiles } = services
  const virtualSizeBytes = await inspect(imageFiles.path(image.id), image, written)
  const changes = { status: 'active', ...written, virtualSizeBytes } as const
  if (!(await updateImage(store.db, image.id, changes, clock.now(), ['saving']))) throw noSuchImage(image.id)
}

async function inspect(
  path: string,
  image: ImageRecord,
  { sizeBytes }: WrittenImage,
): Promise<number | null> {
  if (sizeBytes === 0) throw new LodgeError('badRequest', 'The image data is empty.')
  // Of what is packed in a container nothing can be said before it is unpacked, and nothing boots from it.
  if (image.diskFormat === null || !isPlainContainer(image.containerFormat)) return null
  return (await checkImage(path, image.diskFormat)).virtualSizeBytes
}

/** The client went away: Node says so in one of these ways. */
const isBrokenOff = (error: unknown): boolean =>
  ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(
    (error as { code?: string } | null)?.code ?? '',
  )

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function download({ store, imageFiles }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const image = await visibleImage(store.db, request.params['id']!, request.caller)
  if (image.status === 'deactivated' && !request.caller.isAdmin)
    throw new LodgeError(
      'forbidden',
      'The requested image has been deactivated. Image data download is forbidden.',
    )
  const size = image.sizeBytes
  // As in Glance: an image without data has nothing to send.
  if (size === null || (image.status !== 'active' && image.status !== 'deactivated')) return { status: 204 }
  const range = byteRange([request.headers['range']].flat()[0], size)
  if (range === 'unsatisfiable') return { status: 416, headers: { 'content-range': `bytes */${size}` } }

  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-length': String(range ? range.end - range.start + 1 : size),
    'accept-ranges': 'bytes',
  }
  // Of the whole, also beside a part of it, as Glance has it.
  if (image.md5 !== null) headers['content-md5'] = image.md5
  if (range) headers['content-range'] = `bytes ${range.start}-${range.end}/${size}`
  const stream = await imageFiles.read(image.id, range ?? undefined)
  return { status: range ? 206 : 200, headers, stream }
}
