import { LodgeError } from '../../base/errors.ts'
import type { ServerDisk, ServerDisks } from '../disk/disks.ts'
import { isQ35 } from './machine-type.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * The server's disks, and the controller that a SCSI disk needs. Formats, also of what an overlay stands on, are
 * those of our record: with the whole chain written out neither libvirt nor QEMU looks for itself.
 * @throws LodgeError badRequest when the machine has no such bus
 */
export function diskElements({ disks }: ServerDisks, machineType: string): XmlElement[] {
  if (isQ35(machineType) && disks.some(({ bus }) => bus === 'ide'))
    throw new LodgeError(
      'badRequest',
      `The machine type ${machineType} has no IDE bus; set the image property hw_disk_bus to sata or virtio.`,
    )
  const elements = disks.map(diskElement)
  if (disks.some(({ bus }) => bus === 'scsi'))
    elements.push(element('controller', { type: 'scsi', index: 0, model: 'virtio-scsi' }))
  return elements
}

function diskElement(disk: ServerDisk): XmlElement {
  return element('disk', { type: 'file', device: 'disk' }, [
    element('driver', {
      name: 'qemu',
      type: disk.format,
      // Without the host's page cache a guest's writes are where the guest thinks they are, and migration is safe.
      cache: disk.directIo ? 'none' : 'writeback',
      // What the guest gives back (fstrim) is given back to the host.
      discard: 'unmap',
    }),
    element('source', { file: disk.file }),
    disk.backing
      ? element('backingStore', { type: 'file' }, [
          element('format', { type: disk.backing.format }),
          element('source', { file: disk.backing.file }),
          element('backingStore'),
        ])
      : element('backingStore'),
    element('target', { dev: disk.target, bus: disk.bus }),
    // In the guest: /dev/disk/by-id/virtio-lodge-root and so on, whatever order it finds the disks in.
    element('serial', {}, `lodge-${disk.role}`),
    disk.role === 'root' && element('boot', { order: 1 }),
  ])
}
