/** Free and taken of one kind of resource on a host. */
export interface Inventory {
  total: number
  reserved: number
  /** How often a unit may be given out. */
  allocationRatio: number
}

/** What a host is, as its agent reports it. Amounts of memory in MiB, of disk in GiB. */
export interface HostDescription {
  /** The host's name; unique in the deployment. */
  name: string
  /** Stable over restarts and renames; kept in the agent's state directory. */
  id: string
  hypervisorType: 'QEMU' | 'KVM'
  /** As libvirt gives it: major * 1,000,000 + minor * 1,000 + release. */
  hypervisorVersion: number
  libvirtVersion: number
  hypervisorHostname: string
  hostIp: string
  vcpus: Inventory
  memoryMiB: Inventory
  diskGiB: Inventory
  /** Disk that is free on the file system of the servers' disks. */
  diskFreeGiB: number
  memoryUsedMiB: number
  runningDomains: number
  uptimeSeconds: number
  /** When it was booted, by the clock of the controller that noted it, milliseconds since 1970. */
  bootedAt?: number
  loadAverage: [number, number, number]
  cpu: HostCpu
  numaCells: NumaCell[]
  machineTypes: string[]
  /** Why guests run under KVM or under TCG, as one sentence. */
  accelerationReason: string
}

export interface HostCpu {
  arch: string
  vendor: string
  model: string
  features: string[]
  sockets: number
  cores: number
  threads: number
}

export interface NumaCell {
  id: number
  memoryMiB: number
  cpus: number[]
}

/**
 * A host without what is measured on it and so changes all the time: two descriptions with the same text are of a host
 * that is what it was.
 */
export const essenceOf = (description: HostDescription): string =>
  JSON.stringify({
    ...description,
    diskFreeGiB: 0,
    memoryUsedMiB: 0,
    runningDomains: 0,
    uptimeSeconds: 0,
    loadAverage: 0,
  })

/** How much of an inventory may be given out in all. */
export const capacityOf = (inventory: Inventory): number =>
  Math.floor((inventory.total - inventory.reserved) * inventory.allocationRatio)
