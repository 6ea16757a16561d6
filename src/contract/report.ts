import type { HostDescription } from '../model/host.ts'
import type { MigrationProgress } from '../model/migration.ts'
import type { PowerState } from '../model/server-state.ts'

/** What an agent says unasked. Reports may be lost or repeated; a later one of the same kind replaces an earlier. */
export type Report = HostReport | AliveReport | PowerReport | CensusReport | MigrationProgressReport

/** What the host is: at start, when that changes, and with every third heartbeat. */
export interface HostReport {
  version: 1
  type: 'host'
  host: string
  /** Milliseconds since 1970, by the agent's clock. */
  at: number
  description: HostDescription
}

/** The heartbeat in between: the host lives, and is as it said last. */
export interface AliveReport {
  version: 1
  type: 'alive'
  host: string
  at: number
}

/** A guest's power state changed without a command of ours. */
export interface PowerReport {
  version: 1
  type: 'power'
  host: string
  at: number
  serverId: string
  powerState: PowerState
  /** libvirt's event and detail in words, such as `stopped (shutdown)`. */
  cause: string
}

/** How far a live migration has come, every second or so while it lasts. */
export interface MigrationProgressReport {
  version: 1
  type: 'migration-progress'
  host: string
  at: number
  serverId: string
  migrationId: string
  postCopy: boolean
  progress: MigrationProgress
}

/** All that the host has of servers: after start, after a lost connection to libvirt, and every few minutes. */
export interface CensusReport {
  version: 1
  type: 'census'
  host: string
  at: number
  servers: CensusEntry[]
  /**
   * The host has been away. Until the controller has looked at this and says `admit`, it takes up no work of its own and
   * starts no guest: its servers may live elsewhere by now.
   */
  awaitsAdmission?: boolean
}

export interface CensusEntry {
  serverId: string
  powerState: PowerState
  hasDomain: boolean
  hasDisk: boolean
  /** A command for this server is queued or running on the host, so the entry may be out of date. */
  busy: boolean
}
