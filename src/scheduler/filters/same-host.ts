import type { Filter } from '../filter.ts'

/** The hint `same_host`: hosts of the named servers only. */
export const sameHostFilter: Filter = {
  name: 'SameHostFilter',
  prepare: ({ sameHosts }, { facts }) =>
    sameHosts === null ? null : (index) => sameHosts.has(facts[index]!.name),
}
