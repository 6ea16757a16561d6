import { capacityOf, type HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import type { HostFacts, HostNumbers, HostState } from './host-state.ts'
import { hashOf } from './hash.ts'

/**
 * All hosts, as one array of facts and a column for each number: a placement among ten thousand hosts reads some of
 * the columns from end to end, which costs microseconds, and touches few of the facts. The columns are kept up to
 * date in place by whoever owns the table.
 */
export interface HostTable extends Columns {
  readonly size: number
  readonly facts: HostFacts[]
  readonly indexOf: ReadonlyMap<string, number>
  /** The same by names in lower case: Nova compares asked-for hosts without regard to case. */
  readonly indexOfAnyCase: ReadonlyMap<string, number>
  /** Of the name, for breaking ties. */
  readonly nameHash: Uint32Array
  /** Some aggregate has metadata: without any, whatever asks for it has its answer at once. */
  readonly hasAggregateMetadata: boolean
  /** What aggregates put in place of a multiplier, by its name in their metadata; NaN where none does. */
  readonly overrides: Map<string, Float64Array | null>
  /** Working memory of one placement, so that each does not make its own. */
  readonly scratch: { all: Int32Array; passed: Int32Array; weights: Float64Array }
}

interface Columns {
  /** 1 where it holds. */
  readonly disabled: Uint8Array
  readonly forcedDown: Uint8Array
  readonly maintenance: Uint8Array
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
}

/** Builds the table of these hosts. */
export function createHostTable(hosts: readonly HostState[]): HostTable {
  const columns = emptyColumns(hosts.length)
  const table = around(
    columns,
    hosts.map(({ name, availabilityZone, aggregates, description }) => ({
      name,
      availabilityZone,
      aggregates,
      description,
    })),
  )
  hosts.forEach((host, index) => {
    setNumbers(table, index, host)
    table.servers[index] = host.servers
    table.ioOps[index] = host.ioOps
    table.failedBuilds[index] = host.failedBuilds
    table.hypervisorVersion[index] = host.description?.hypervisorVersion ?? 0
  })
  return table
}

/** The table with more hosts at its end. The given one is not to be used any more. */
export function withMoreHosts(table: HostTable, hosts: readonly HostState[]): HostTable {
  const more = createHostTable(hosts)
  const columns = emptyColumns(table.size + more.size)
  for (const name of Object.keys(columns) as (keyof Columns)[]) {
    columns[name].set(table[name])
    columns[name].set(more[name], table.size)
  }
  return around(columns, [...table.facts, ...more.facts])
}

/** The same hosts in the aggregates and zones that `placeOf` says. The given table is not to be used any more. */
export const withPlaces = (
  table: HostTable,
  placeOf: (name: string) => Pick<HostFacts, 'aggregates' | 'availabilityZone'>,
): HostTable =>
  around(
    table,
    table.facts.map(({ name, description }) => ({ name, description, ...placeOf(name) })),
  )

/** What the store says of a host. */
export function setNumbers(table: HostTable, index: number, host: HostNumbers): void {
  const { capacity, used } = host
  table.disabled[index] = host.disabled ? 1 : 0
  table.forcedDown[index] = host.forcedDown ? 1 : 0
  table.maintenance[index] = host.maintenance ? 1 : 0
  table.lastSeenAt[index] = host.lastSeenAt
  table.capacityVcpus[index] = capacity.vcpus
  table.capacityMemory[index] = capacity.memoryMiB
  table.capacityDisk[index] = capacity.diskGiB
  table.freeVcpus[index] = capacity.vcpus - used.vcpus
  table.freeMemory[index] = capacity.memoryMiB - used.memoryMiB
  table.freeDisk[index] = capacity.diskGiB - used.diskGiB
}

/** New words of a host's agent; what is taken of the host stays. */
export function describeHost(table: HostTable, index: number, description: HostDescription): void {
  table.facts[index] = { ...table.facts[index]!, description }
  table.hypervisorVersion[index] = description.hypervisorVersion
  const columns = [
    [table.capacityVcpus, table.freeVcpus, description.vcpus],
    [table.capacityMemory, table.freeMemory, description.memoryMiB],
    [table.capacityDisk, table.freeDisk, description.diskGiB],
  ] as const
  for (const [capacity, free, inventory] of columns) {
    const more = capacityOf(inventory) - capacity[index]!
    capacity[index]! += more
    free[index]! += more
  }
}

/** A claim (1) or release (-1) of a host's resources by one server. */
export function takeFrom(table: HostTable, index: number, resources: Resources, sign: 1 | -1): void {
  table.freeVcpus[index]! -= sign * resources.vcpus
  table.freeMemory[index]! -= sign * resources.memoryMiB
  table.freeDisk[index]! -= sign * resources.diskGiB
  table.servers[index] = Math.max(table.servers[index]! + sign, 0)
}

const emptyColumns = (size: number): Columns => ({
  disabled: new Uint8Array(size),
  forcedDown: new Uint8Array(size),
  maintenance: new Uint8Array(size),
  lastSeenAt: new Float64Array(size),
  capacityVcpus: new Float64Array(size),
  capacityMemory: new Float64Array(size),
  capacityDisk: new Float64Array(size),
  freeVcpus: new Float64Array(size),
  freeMemory: new Float64Array(size),
  freeDisk: new Float64Array(size),
  servers: new Float64Array(size),
  ioOps: new Float64Array(size),
  failedBuilds: new Float64Array(size),
  hypervisorVersion: new Float64Array(size),
})

/** A table of these columns, with all that follows from the facts. */
function around(columns: Columns, facts: HostFacts[]): HostTable {
  const size = facts.length
  return {
    ...columns,
    size,
    facts,
    indexOf: new Map(facts.map(({ name }, index) => [name, index])),
    indexOfAnyCase: new Map(facts.map(({ name }, index) => [name.toLowerCase(), index])),
    nameHash: Uint32Array.from(facts, ({ name }) => hashOf(name)),
    hasAggregateMetadata: facts.some(({ aggregates }) =>
      aggregates.some(({ metadata }) => Object.keys(metadata).length > 0),
    ),
    overrides: new Map(),
    scratch: {
      all: Int32Array.from(facts, (_, index) => index),
      passed: new Int32Array(size),
      weights: new Float64Array(size),
    },
  }
}
