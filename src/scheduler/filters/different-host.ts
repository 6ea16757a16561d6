import type { Filter } from '../filter.ts'

/** The hint `different_host`: no host of the named servers. */
export const differentHostFilter: Filter = {
  name: 'DifferentHostFilter',
  prepare: ({ differentHosts }, { facts }) =>
    differentHosts.size === 0 ? null : (index) => !differentHosts.has(facts[index]!.name),
}
