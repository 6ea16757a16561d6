import type { Filter } from '../filter.ts'

/** A host that has as many of the group's servers as it may: one, or `max_server_per_host`. */
export const serverGroupAntiAffinityFilter: Filter = {
  name: 'ServerGroupAntiAffinityFilter',
  prepare: ({ group }, { indexOf }) => {
    if (group?.policy !== 'anti-affinity' || group.servers.size === 0) return null
    const most = group.maxServersPerHost ?? 1
    const full = new Set(
      [...group.servers].flatMap(([host, count]) => (count >= most ? [indexOf.get(host)] : [])),
    )
    return full.size === 0 ? null : (index) => !full.has(index)
  },
}
