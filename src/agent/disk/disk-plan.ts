import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { assertFits } from './assert-fits.ts'
import type { DiskBus, ServerDisk } from './disks.ts'
import type { BaseImage } from './image-cache.ts'

/** A disk as it is to be, before it has a place. */
export interface PlannedDisk extends Omit<ServerDisk, 'file' | 'directIo'> {
  /** Name in the server's directory, Nova's. */
  name: string
}

const GiB = 2 ** 30
const MiB = 2 ** 20

const prefixes: Record<DiskBus, string> = { virtio: 'vd', scsi: 'sd', sata: 'sd', ide: 'hd' }
const isDiskBus = (text: string): text is DiskBus => Object.hasOwn(prefixes, text)

/**
 * The disks that a flavor gives a server, in the order in which the guest sees them: root, ephemeral, swap. A
 * root size of zero means the image's own size.
 * @throws LodgeError badRequest when the image does not fit, or wants a bus that is not served
 */
export function planDisks(spec: ServerSpec, base: BaseImage): PlannedDisk[] {
  const { flavor } = spec
  const imageVirtualBytes = base.virtualSizeBytes
  const rootBytes = flavor.rootGiB * GiB
  assertFits(imageVirtualBytes, rootBytes)
  const bus = spec.image.properties.hw_disk_bus?.toLowerCase() ?? 'virtio'
  if (!isDiskBus(bus))
    throw new LodgeError(
      'badRequest',
      `The image property hw_disk_bus may be ${Object.keys(prefixes).join(', ')}; it is ${JSON.stringify(bus.slice(0, 40))}.`,
    )
  // Whole sectors: a raw image may end within one.
  const imageBytes = Math.ceil(imageVirtualBytes / 512) * 512
  const disks: Omit<PlannedDisk, 'bus' | 'target'>[] = [
    {
      name: 'disk',
      role: 'root',
      format: 'qcow2',
      sizeBytes: rootBytes || imageBytes,
      backing: { file: base.file, format: base.format },
    },
  ]
  if (flavor.ephemeralGiB > 0)
    disks.push({
      name: 'disk.eph0',
      role: 'ephemeral',
      format: 'raw',
      sizeBytes: flavor.ephemeralGiB * GiB,
      backing: null,
    })
  if (flavor.swapMiB > 0)
    disks.push({
      name: 'disk.swap',
      role: 'swap',
      format: 'raw',
      sizeBytes: flavor.swapMiB * MiB,
      backing: null,
    })
  return disks.map((disk, index) => ({ ...disk, bus, target: `${prefixes[bus]}${'abcd'[index]}` }))
}
