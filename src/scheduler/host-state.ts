import type { HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'

/** What of an aggregate matters to the scheduler. Hosts of one aggregate share the object. */
export interface AggregateFacts {
  name: string
  metadata: Readonly<Record<string, string>>
}

/** What seldom changes of a host. */
export interface HostFacts {
  name: string
  availabilityZone: string
  aggregates: readonly AggregateFacts[]
  /** undefined until its agent's own words have been read. */
  description: HostDescription | undefined
}

/** What the store says of a host, and what changes with every claim. */
export interface HostNumbers {
  disabled: boolean
  forcedDown: boolean
  /** Being worked on or emptied by an operator. */
  maintenance: boolean
  /** When its agent was last heard of, milliseconds since 1970. */
  lastSeenAt: number
  /** With ratio and reserve applied. */
  capacity: Resources
  used: Resources
}

/** A host as the scheduler gets to know it. */
export interface HostState extends HostFacts, HostNumbers {
  /** Servers that are on it. */
  servers: number
  /** Those of them that are being built, resized, moved, or have a snapshot taken: work for its disk. */
  ioOps: number
  /** Builds that failed there since the last that did not. */
  failedBuilds: number
}
