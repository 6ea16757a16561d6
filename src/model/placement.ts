/** Why a server was placed where it is, or nowhere. Kept with the server and shown to administrators. */
export interface PlacementReasons {
  /** Hosts that were looked at. */
  hosts: number
  /** Hosts that passed every filter. */
  passed: number
  /** Hosts turned away, by the first filter that did so. */
  rejected: PlacementRejection[]
  /** The best hosts, best first. */
  candidates: PlacementCandidate[]
  /** The host was named by the request, so filters were not asked. */
  forced?: boolean
}

export type PlacementFilter =
  | 'already-tried'
  | 'not-requested'
  | 'down'
  | 'disabled'
  | 'forced-down'
  | 'availability-zone'
  | 'vcpus'
  | 'memory'
  | 'disk'

export interface PlacementRejection {
  filter: PlacementFilter
  count: number
  /** Some of them. */
  hosts: string[]
}

/** A host with its weight and what each weigher gave, normalised to 0..1 and multiplied. */
export interface PlacementCandidate {
  host: string
  weight: number
  ram: number
  cpu: number
  disk: number
}

/** One decision of the scheduler. */
export interface Placement {
  number: number
  requestId: string
  serverId: string
  /** null: no host was found. */
  chosenHost: string | null
  reasons: PlacementReasons
  createdAt: number
}
