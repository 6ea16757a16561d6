import { aggregateValues } from '../aggregate-metadata.ts'
import { meets } from '../extra-spec-operators.ts'
import type { Filter } from '../filter.ts'

const scope = 'aggregate_instance_extra_specs:'

/**
 * Extra specs with scope `aggregate_instance_extra_specs:`, or with none, must be met by the metadata of the host's
 * aggregates.
 */
export const aggregateInstanceExtraSpecsFilter: Filter = {
  name: 'AggregateInstanceExtraSpecsFilter',
  prepare: ({ flavor }, { facts }) => {
    const wanted = Object.entries(flavor.extraSpecs).flatMap(([key, requirement]) => {
      if (key.startsWith(scope)) return [{ key: key.slice(scope.length), requirement }]
      return key.includes(':') ? [] : [{ key, requirement }]
    })
    if (wanted.length === 0) return null
    return (index) =>
      wanted.every(({ key, requirement }) =>
        [...aggregateValues(facts[index]!, key)].some((value) => meets(value, requirement)),
      )
  },
}
