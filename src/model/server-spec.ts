/** A flavor as a server carries it: the values at the time of its creation. */
export interface ServerFlavor {
  /** The id people give it, such as `1` or `m1.tiny`. */
  id: string
  name: string
  vcpus: number
  memoryMiB: number
  rootGiB: number
  ephemeralGiB: number
  swapMiB: number
  extraSpecs: Record<string, string>
}

export type DiskFormat =
  | 'raw'
  | 'qcow2'
  | 'vmdk'
  | 'vdi'
  | 'vhd'
  | 'vhdx'
  | 'iso'
  | 'ami'
  | 'ari'
  | 'aki'
  | 'ploop'

/** An image as the agent needs it: where the bytes come from is the image transfer's business. */
export interface ServerImage {
  id: string
  name: string | null
  diskFormat: DiskFormat
  sizeBytes: number
  /** Of the image's bytes as uploaded, lower-case hexadecimal. */
  sha512: string
  minDiskGiB: number
  /** Custom properties (`hw_machine_type`, `os_type`, ...), all of them strings. */
  properties: Record<string, string>
}

/**
 * All that an agent must know to bring a server to life or back to life. It travels in commands and is kept in
 * the agent's ledger, so that a host can restart its guests without a controller.
 */
export interface ServerSpec {
  /** The server's UUID; the domain's UUID too. */
  id: string
  /** The domain's name, `instance-%08x` of the server's number. */
  domainName: string
  name: string
  hostname: string
  projectId: string
  projectName: string
  userId: string
  userName: string
  /** Milliseconds since 1970. */
  createdAt: number
  flavor: ServerFlavor
  image: ServerImage
  /** Machine type and the like, fixed at the first boot so that later defaults do not change them. */
  machineType: string | null
}

/** What a server takes of a host. Zero amounts are allowed. */
export interface Resources {
  vcpus: number
  memoryMiB: number
  diskGiB: number
}

/** What a flavor takes of a host; swap is rounded up to whole GiB, as in Nova. */
export function resourcesOf(flavor: ServerFlavor): Resources {
  return {
    vcpus: flavor.vcpus,
    memoryMiB: flavor.memoryMiB,
    diskGiB: flavor.rootGiB + flavor.ephemeralGiB + Math.ceil(flavor.swapMiB / 1024),
  }
}

/** The domain's name for a server's number, by Nova's default template. */
export const domainNameOf = (serverNumber: number): string =>
  `instance-${serverNumber.toString(16).padStart(8, '0')}`

/** Whether some server has this name for its domain, or will have it. */
export const isServerDomainName = (name: string): boolean => /^instance-[0-9a-f]{8,}$/.test(name)
