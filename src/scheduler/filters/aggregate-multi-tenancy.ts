import type { Filter } from '../filter.ts'

const key = 'filter_tenant_id'

/** Hosts whose aggregates name projects, by keys that begin with `filter_tenant_id`, take those projects' servers only. */
export const aggregateMultiTenancyFilter: Filter = {
  name: 'AggregateMultiTenancyIsolation',
  prepare: ({ projectId }, { facts, hasAggregateMetadata }) => {
    if (!hasAggregateMetadata) return null
    return (index) => {
      const lists = facts[index]!.aggregates.flatMap(({ metadata }) =>
        Object.entries(metadata).flatMap(([name, value]) => (name.startsWith(key) ? [value] : [])),
      )
      if (lists.length === 0) return true
      return lists.some((list) => list.split(',').some((id) => id.trim() === projectId))
    }
  },
}
