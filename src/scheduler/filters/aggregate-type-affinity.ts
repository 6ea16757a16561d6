import { aggregateValues } from '../aggregate-metadata.ts'
import type { Filter } from '../filter.ts'

/** Hosts whose aggregates name flavors (`instance_type`) take those only. */
export const aggregateTypeAffinityFilter: Filter = {
  name: 'AggregateTypeAffinityFilter',
  prepare: ({ flavor }, { facts, hasAggregateMetadata }) => {
    if (!hasAggregateMetadata) return null
    return (index) => {
      const types = aggregateValues(facts[index]!, 'instance_type')
      return types.size === 0 || types.has(flavor.name)
    }
  },
}
