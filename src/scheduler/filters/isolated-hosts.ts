import type { Filter } from '../filter.ts'

/** Servers of isolated images go to isolated hosts; those take others only where `restrictIsolatedHosts` is off. */
export const isolatedHostsFilter: Filter = {
  name: 'IsolatedHostsFilter',
  prepare: ({ image }, { facts }, { isolatedHosts, isolatedImages, restrictIsolatedHosts }) => {
    const isolated = new Set(isolatedHosts)
    if (image !== null && isolatedImages.includes(image.id))
      return (index) => isolated.has(facts[index]!.name)
    if (!restrictIsolatedHosts || isolated.size === 0) return null
    return (index) => !isolated.has(facts[index]!.name)
  },
}
