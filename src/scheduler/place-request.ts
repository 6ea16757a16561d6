import type { GroupPolicy } from '../model/server-group.ts'
import type { ServerFlavor, ServerImage } from '../model/server-spec.ts'

/** What a server wants of its host. Everything that is not in it has been looked up before: the scheduler asks nobody. */
export interface PlaceRequest {
  /** Breaks ties between equal hosts: different seeds spread over them, the same seed gives the same answer. */
  seed: string
  projectId: string
  flavor: ServerFlavor
  image: ServerImage | null
  /** null: any. */
  availabilityZone: string | null
  /** Taken without asking the filters, as Nova does with an availability zone of the form `zone:host`. */
  forcedHost?: string | null
  /** Filters run on this host alone. */
  requestedHost?: string | null
  /** Hosts that failed already, or that the server is to leave. */
  excluded?: readonly string[]
  /** Hosts whose agents were heard of since then are up, milliseconds since 1970; -Infinity: all. */
  upSince: number
  hints: Readonly<Record<string, unknown>>
  /** Hosts of the servers that the hint `same_host` names; null without it. */
  sameHosts: ReadonlySet<string> | null
  /** Hosts of the servers that the hint `different_host` names. */
  differentHosts: ReadonlySet<string>
  group: {
    policy: GroupPolicy
    /** Of anti-affinity; null: one. */
    maxServersPerHost: number | null
    /** How many of its other servers each host has. */
    servers: ReadonlyMap<string, number>
  } | null
  /** Servers on each host that have image properties; see the weigher ImageProperties. */
  imageProperties?: ReadonlyMap<string, readonly Readonly<Record<string, string>>[]>
}

/** What the filters know of nothing in particular: no hints, no group. For requests that add to it. */
export const plainRequest = {
  availabilityZone: null,
  upSince: -Infinity,
  hints: {},
  sameHosts: null,
  differentHosts: new Set<string>(),
  group: null,
} as const satisfies Partial<PlaceRequest>
