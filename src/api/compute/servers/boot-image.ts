import { LodgeError } from '../../../base/errors.ts'
import type { Flavor } from '../../../model/flavor.ts'
import { isImageVisible, isPlainContainer, type ImageRecord } from '../../../model/image.ts'
import type { ServerImage } from '../../../model/server-spec.ts'
import { getImage } from '../../../store/images.ts'
import type { Db } from '../../../store/store.ts'
import type { Caller } from '../../common/route.ts'
import type { BlockDevice, CreateBody } from './create-schema.ts'

const GiB = 1024 ** 3

type Size = Pick<Flavor, 'rootGiB' | 'memoryMiB'>

/**
 * The image that a create boots from, checked against the flavor as Nova's API does.
 * @throws LodgeError badRequest for images that are missing, not active, packed or too large for the flavor, and for
 * block devices other than one local disk made from the image; forbidden for flavors without a disk, but for
 * administrators
 */
export const bootImage = (
  db: Db,
  asked: CreateBody['server'],
  flavor: Size,
  caller: Caller,
): Promise<ServerImage> => imageFor(db, imageIdOf(asked), flavor, caller)

/** As `bootImage`, of an image that is named by its id. */
export async function imageFor(db: Db, imageId: string, flavor: Size, caller: Caller): Promise<ServerImage> {
  const image = await getImage(db, imageId)
  if (!image || image.status === 'deleted' || !isImageVisible(image, caller))
    throw new LodgeError('badRequest', 'Can not find requested image')
  if (
    image.status !== 'active' ||
    image.sizeBytes === null ||
    image.sha512 === null ||
    image.diskFormat === null
  )
    throw new LodgeError('badRequest', `Image ${image.id} is not active.`)
  if (!isPlainContainer(image.containerFormat))
    throw new LodgeError(
      'badRequest',
      `Image ${image.id} is packed as ${image.containerFormat}: upload its disk by itself, with container_format bare.`,
    )
  if (flavor.rootGiB === 0 && !caller.isAdmin)
    throw new LodgeError('forbidden', 'Only volume-backed servers are allowed for flavors with zero disk.')
  checkFits(image, flavor)
  if (image.properties['img_config_drive'] === 'mandatory') throw configDriveUnsupported()
  return {
    id: image.id,
    name: image.name,
    diskFormat: image.diskFormat,
    sizeBytes: image.sizeBytes,
    sha512: image.sha512,
    minDiskGiB: image.minDiskGiB,
    properties: image.properties,
  }
}

export const configDriveUnsupported = (): LodgeError =>
  new LodgeError('badRequest', 'Config drives are not supported yet: create the server without config_drive.')

/** Clients say the image as `imageRef`, as the one bootable block device, or as both. */
function imageIdOf(asked: CreateBody['server']): string {
  if ((asked.block_device_mapping?.length ?? 0) > 0) throw devicesUnsupported()
  const devices = asked.block_device_mapping_v2 ?? []
  const [device] = devices
  if (device && (devices.length > 1 || !isPlainBootDisk(device))) throw devicesUnsupported()
  const fromReference = asked.imageRef?.toLowerCase() || undefined
  const fromDevice = device?.uuid?.toLowerCase()
  if (fromReference !== undefined && fromDevice !== undefined && fromReference !== fromDevice)
    throw new LodgeError(
      'badRequest',
      'imageRef and the block device with boot_index 0 name different images.',
    )
  const id = fromReference ?? fromDevice
  if (id === undefined) throw new LodgeError('badRequest', 'Invalid imageRef provided.')
  return dashed(id)
}

/** The form that clients send for a server that boots from an image onto its flavor's disk. */
const isPlainBootDisk = (device: BlockDevice): boolean =>
  device.source_type === 'image' &&
  (device.destination_type ?? 'local') === 'local' &&
  device.uuid !== undefined &&
  Number(device.boot_index ?? 0) === 0

const devicesUnsupported = (): LodgeError =>
  new LodgeError(
    'badRequest',
    'Block device mappings are not supported yet, but for one local disk from an image: there are no volumes.',
  )

/** An id of 32 hexadecimal digits, with or without hyphens, in the form with them. */
export const dashed = (id: string): string =>
  id.replaceAll('-', '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

function checkFits(image: ImageRecord, flavor: Size): void {
  if (image.minRamMiB > flavor.memoryMiB)
    throw new LodgeError('badRequest', "Flavor's memory is too small for requested image.")
  // A root disk of 0 takes the image's own size.
  if (flavor.rootGiB === 0) return
  const root = flavor.rootGiB * GiB
  const size = Math.max(image.sizeBytes ?? 0, image.virtualSizeBytes ?? 0)
  if (size > root)
    throw new LodgeError(
      'badRequest',
      `Flavor's disk is too small for requested image. Flavor disk is ${root} bytes, image is ${size} bytes.`,
    )
  if (image.minDiskGiB > flavor.rootGiB)
    throw new LodgeError(
      'badRequest',
      `The size of flavor's disk is too small for requested image. Flavor disk is ${root} bytes, minimum size is ${image.minDiskGiB * GiB} bytes.`,
    )
}
