import type { Filter } from '../filter.ts'

/** Any host for the group's first server, its hosts for the others. */
export const serverGroupAffinityFilter: Filter = {
  name: 'ServerGroupAffinityFilter',
  prepare: ({ group }, { indexOf }) => {
    if (group?.policy !== 'affinity' || group.servers.size === 0) return null
    const theirs = new Set([...group.servers.keys()].map((host) => indexOf.get(host)))
    return (index) => theirs.has(index)
  },
}
