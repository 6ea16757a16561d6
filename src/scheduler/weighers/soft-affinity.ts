import type { GroupPolicy } from '../../model/server-group.ts'
import type { HostTable } from '../host-table.ts'
import type { PlaceRequest } from '../place-request.ts'
import type { Weigher } from '../weigher.ts'

/** Hosts with more of the group's servers. */
export const softAffinityWeigher: Weigher = {
  name: 'soft-affinity',
  setting: 'softAffinityWeight',
  aggregateKey: 'soft_affinity_weight_multiplier',
  values: (request, table) => groupColumn(request, table, 'soft-affinity', 1),
}

/** Hosts with fewer of the group's servers. */
export const softAntiAffinityWeigher: Weigher = {
  name: 'soft-anti-affinity',
  setting: 'softAntiAffinityWeight',
  aggregateKey: 'soft_anti_affinity_weight_multiplier',
  values: (request, table) => groupColumn(request, table, 'soft-anti-affinity', -1),
}

function groupColumn(
  { group }: PlaceRequest,
  { size, indexOf }: HostTable,
  policy: GroupPolicy,
  sign: 1 | -1,
): Float64Array | null {
  if (group?.policy !== policy || group.servers.size === 0) return null
  const column = new Float64Array(size)
  for (const [host, count] of group.servers) {
    const index = indexOf.get(host)
    if (index !== undefined) column[index] = sign * count
  }
  return column
}
