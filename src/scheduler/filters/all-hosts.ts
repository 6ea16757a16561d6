import type { Filter } from '../filter.ts'

/** Lets every host pass; there for settings that name it. */
export const allHostsFilter: Filter = { name: 'AllHostsFilter', prepare: () => null }
