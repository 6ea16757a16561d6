import type { DiskFormat } from './server-spec.ts'

export type ImageStatus = 'queued' | 'saving' | 'active' | 'killed' | 'deleted' | 'deactivated'
export type ImageVisibility = 'public' | 'private' | 'shared' | 'community'

/** An image as the image store knows it; its bytes lie elsewhere. */
export interface ImageRecord {
  id: string
  name: string | null
  status: ImageStatus
  /** Id of the project that owns it. */
  owner: string | null
  visibility: ImageVisibility
  /** May not be deleted. */
  protected: boolean
  /** Left out of lists that do not ask for hidden images. */
  hidden: boolean
  containerFormat: string | null
  diskFormat: DiskFormat | null
  minDiskGiB: number
  minRamMiB: number
  /** null until there is data. */
  sizeBytes: number | null
  /** Size of the disk that a guest sees, by inspection of the data. */
  virtualSizeBytes: number | null
  /** MD5 of the data, lower-case hexadecimal. For old clients: `sha512` is what counts. */
  md5: string | null
  /** SHA-512 of the data, lower-case hexadecimal. */
  sha512: string | null
  /** Custom properties, all of them strings. */
  properties: Record<string, string>
  tags: string[]
  /** Milliseconds since 1970. */
  createdAt: number
  updatedAt: number
}

/** Who asks, as far as images care. */
export interface ImageViewer {
  projectId: string | null
  isAdmin: boolean
}

/**
 * May `viewer` see the image and boot from it? By Glance's rules without members: owners and administrators see
 * all, everyone else sees what is public or community. (`shared` means shared with members, of whom there are none.)
 */
export function isImageVisible(image: ImageRecord, viewer: ImageViewer): boolean {
  if (viewer.isAdmin || isImageOwner(image, viewer)) return true
  return image.visibility === 'public' || image.visibility === 'community'
}

/** May `viewer` change the image, apart from what only administrators may? */
export const isImageOwner = (image: ImageRecord, viewer: ImageViewer): boolean =>
  image.owner !== null && image.owner === viewer.projectId

/**
 * Whether the data is the disk itself. What a container (an OVA, a Docker image) holds is neither inspected at the
 * upload nor booted from.
 */
export const isPlainContainer = (containerFormat: string | null): boolean =>
  ['bare', 'ami', 'ari', 'aki'].includes(containerFormat ?? '')
