import { aggregateNumber } from '../aggregate-metadata.ts'
import type { Filter } from '../filter.ts'

/** Hosts with fewer servers in work than `maxIoOpsPerHost`. */
export const ioOpsFilter: Filter = {
  name: 'IoOpsFilter',
  prepare: (_request, { ioOps }, { maxIoOpsPerHost }) => {
    return (index) => ioOps[index]! < maxIoOpsPerHost
  },
}

/** The same, with the smallest `max_io_ops_per_host` that the host's aggregates say. */
export const aggregateIoOpsFilter: Filter = {
  name: 'AggregateIoOpsFilter',
  prepare: (_request, { ioOps, facts }, { maxIoOpsPerHost }) => {
    return (index) => ioOps[index]! < aggregateNumber(facts[index]!, 'max_io_ops_per_host', maxIoOpsPerHost)
  },
}
