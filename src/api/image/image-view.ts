import type { ImageRecord } from '../../model/image.ts'
import { isoTime } from '../common/time.ts'

/** An image as Glance shows it, with the custom properties among its own attributes. */
export function imageView(image: ImageRecord): Record<string, unknown> {
  return {
    // First, so that no property can stand in for an attribute.
    ...image.properties,
    id: image.id,
    name: image.name,
    status: image.status,
    visibility: image.visibility,
    protected: image.protected,
    os_hidden: image.hidden,
    owner: image.owner,
    tags: image.tags,
    container_format: image.containerFormat,
    disk_format: image.diskFormat,
    min_disk: image.minDiskGiB,
    min_ram: image.minRamMiB,
    size: image.sizeBytes,
    virtual_size: image.virtualSizeBytes,
    checksum: image.md5,
    os_hash_algo: image.sha512 === null ? null : 'sha512',
    os_hash_value: image.sha512,
    created_at: isoTime(image.createdAt),
    updated_at: isoTime(image.updatedAt),
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
  }
}
