import type { Resources } from '../model/server-spec.ts'
import type { HostFacts, HostState } from './host-state.ts'
import { hashOf } from './hash.ts'

/**
 * All hosts, as one array of facts and a column for each number: a placement among ten thousand hosts reads some of
 * the columns from end to end, which costs microseconds, and touches few of the facts. The columns are kept up to
 * date in place by whoever owns the table.
 */
export interface HostTable {
  readonly size: number
  readonly facts: HostFacts[]
  readonly indexOf: ReadonlyMap<string, number>
  /** The same by names in lower case: Nova compares asked-for hosts without regard to case. */
  readonly indexOfAnyCase: ReadonlyMap<string, number>
  /** 1 where it holds. */
  readonly disabled: Float64Array
  readonly forcedDown: Float64Array
  readonly maintenance: Float64Array
  readonly lastSeenAt: Float64Array
  readonly capacityVcpus: Float64Array
  readonly capacityMemory: Float64Array
  readonly capacityDisk: Float64Array
  readonly freeVcpus: Float64Array
  readonly freeMemory: Float64Array
  readonly freeDisk: Float64Array
  readonly servers: Float64Array
  readonly ioOps: Float64Array
  readonly failedBuilds: Float64Array
  readonly hypervisorVersion: Float64Array
  /** Of the name, for breaking ties. */
  readonly nameHash: Uint32Array
  /** Some aggregate has metadata: without any, whatever asks for it has its answer at once. */
  readonly hasAggregateMetadata: boolean
  /** What aggregates put in place of a multiplier, by its name in their metadata; NaN where none does. */
  readonly overrides: Map<string, Float64Array | null>
  /** Working memory of one placement, so that each does not make its own. */
  readonly scratch: { passed: Int32Array; weights: Float64Array }
}

/** Builds the table of these hosts. */
export function createHostTable(hosts: readonly HostState[]): HostTable {
  const numbers = (read: (host: HostState) => number): Float64Array => Float64Array.from(hosts, read)
  const flags = (read: (host: HostState) => boolean): Float64Array =>
    Float64Array.from(hosts, (host) => (read(host) ? 1 : 0))
  return {
    size: hosts.length,
    facts: hosts.map(({ name, availabilityZone, aggregates, description }) => ({
      name,
      availabilityZone,
      aggregates,
      description,
    })),
    indexOf: new Map(hosts.map(({ name }, index) => [name, index])),
    indexOfAnyCase: new Map(hosts.map(({ name }, index) => [name.toLowerCase(), index])),
    disabled: flags((host) => host.disabled),
    forcedDown: flags((host) => host.forcedDown),
    maintenance: flags((host) => host.maintenance),
    lastSeenAt: numbers((host) => host.lastSeenAt),
    capacityVcpus: numbers((host) => host.capacity.vcpus),
    capacityMemory: numbers((host) => host.capacity.memoryMiB),
    capacityDisk: numbers((host) => host.capacity.diskGiB),
    freeVcpus: numbers((host) => host.capacity.vcpus - host.used.vcpus),
    freeMemory: numbers((host) => host.capacity.memoryMiB - host.used.memoryMiB),
    freeDisk: numbers((host) => host.capacity.diskGiB - host.used.diskGiB),
    servers: numbers((host) => host.servers),
    ioOps: numbers((host) => host.ioOps),
    failedBuilds: numbers((host) => host.failedBuilds),
    hypervisorVersion: numbers((host) => host.description?.hypervisorVersion ?? 0),
    nameHash: Uint32Array.from(hosts, ({ name }) => hashOf(name)),
    hasAggregateMetadata: hosts.some(({ aggregates }) =>
      aggregates.some(({ metadata }) => Object.keys(metadata).length > 0),
    ),
    overrides: new Map(),
    scratch: { passed: new Int32Array(hosts.length), weights: new Float64Array(hosts.length) },
  }
}

/** A claim (1) or release (-1) of a host's resources by one server. */
export function takeFrom(table: HostTable, index: number, resources: Resources, sign: 1 | -1): void {
  table.freeVcpus[index]! -= sign * resources.vcpus
  table.freeMemory[index]! -= sign * resources.memoryMiB
  table.freeDisk[index]! -= sign * resources.diskGiB
  table.servers[index] = Math.max(table.servers[index]! + sign, 0)
}
