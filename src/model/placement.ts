/** Why a server was placed where it is, or nowhere. Kept with the server and shown to administrators. */
export interface PlacementReasons {
  /** Hosts that were looked at. */
  hosts: number
  /** Hosts that passed every filter. */
  passed: number
  /** Hosts turned away, by the first filter that did so, in the order in which filters were asked. */
  rejected: PlacementRejection[]
  /** Some of the best hosts, best first. */
  candidates: PlacementCandidate[]
  /** The host was named by the request, so filters were not asked. */
  forced?: boolean
}

export interface PlacementRejection {
  /** A word such as `disabled` or `memory` for what is always looked at, else Nova's name of the filter. */
  filter: string
  count: number
  /** Some of them, so that a placement among ten thousand hosts stays small. */
  hosts: string[]
}

/** A host with its weight and what each weigher gave, normalised to 0..1 and multiplied; what gave 0 is left out. */
export interface PlacementCandidate {
  host: string
  weight: number
  parts: Record<string, number>
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
