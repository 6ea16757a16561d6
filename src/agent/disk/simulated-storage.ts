import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from './disks.ts'
import type { OwnerMark } from './owner-mark.ts'

export interface SimulatedServer {
  spec: ServerSpec
  disks: ServerDisks
  mark: Omit<OwnerMark, 'version'>
  arrivedWith?: string
}

export interface SimulatedArrival {
  host: string
  migrationId: string
  files: Set<string>
  rootBytes: number
}

/** What one simulated host keeps of disks, or several that see the same storage. */
export interface SimulatedStorage {
  servers: Map<string, SimulatedServer>
  aside: Map<string, SimulatedServer>
  incoming: Map<string, SimulatedArrival>
  probes: Set<string>
}

export const createSimulatedStorage = (): SimulatedStorage => ({
  servers: new Map(),
  aside: new Map(),
  incoming: new Map(),
  probes: new Set(),
})
