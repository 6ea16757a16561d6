import { aggregateNumber } from '../aggregate-metadata.ts'
import type { Filter } from '../filter.ts'

/** Hosts with fewer servers than `maxServersPerHost`. */
export const numInstancesFilter: Filter = {
  name: 'NumInstancesFilter',
  prepare: (_request, { servers }, { maxServersPerHost }) => {
    return (index) => servers[index]! < maxServersPerHost
  },
}

/** The same, with the smallest `max_instances_per_host` that the host's aggregates say. */
export const aggregateNumInstancesFilter: Filter = {
  name: 'AggregateNumInstancesFilter',
  prepare: (_request, { servers, facts }, { maxServersPerHost }) => {
    return (index) =>
      servers[index]! < aggregateNumber(facts[index]!, 'max_instances_per_host', maxServersPerHost)
  },
}
