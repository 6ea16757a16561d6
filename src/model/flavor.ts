import type { ServerFlavor } from './server-spec.ts'

/** A flavor as administrators keep it; servers copy the part that is a ServerFlavor. */
export interface Flavor extends ServerFlavor {
  /** Bandwidth factor of old network drivers; kept for clients, used by nothing. */
  rxtxFactor: number
  /** Private flavors are seen only by projects with access, and administrators. */
  isPublic: boolean
  disabled: boolean
  description: string | null
  /** Milliseconds since 1970. */
  createdAt: number
}

/** The part of a flavor that a new server keeps for itself. */
export const serverFlavorOf = (flavor: Flavor): ServerFlavor => ({
  id: flavor.id,
  name: flavor.name,
  vcpus: flavor.vcpus,
  memoryMiB: flavor.memoryMiB,
  rootGiB: flavor.rootGiB,
  ephemeralGiB: flavor.ephemeralGiB,
  swapMiB: flavor.swapMiB,
  extraSpecs: flavor.extraSpecs,
})
