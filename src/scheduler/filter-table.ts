import type { FilterName } from '../base/scheduler-config.ts'
import type { Filter } from './filter.ts'
import { aggregateImagePropertiesFilter } from './filters/aggregate-image-properties.ts'
import { aggregateInstanceExtraSpecsFilter } from './filters/aggregate-instance-extra-specs.ts'
import { aggregateMultiTenancyFilter } from './filters/aggregate-multi-tenancy.ts'
import { aggregateTypeAffinityFilter } from './filters/aggregate-type-affinity.ts'
import { allHostsFilter } from './filters/all-hosts.ts'
import { alwaysAsked } from './filters/always.ts'
import { askedForFilters } from './filters/asked-for.ts'
import { computeCapabilitiesFilter } from './filters/compute-capabilities.ts'
import { computeFilters } from './filters/compute.ts'
import { differentHostFilter } from './filters/different-host.ts'
import { imagePropertiesFilter } from './filters/image-properties.ts'
import { aggregateIoOpsFilter, ioOpsFilter } from './filters/io-ops.ts'
import { isolatedHostsFilter } from './filters/isolated-hosts.ts'
import { jsonFilter } from './filters/json-filter.ts'
import { metricsFilter } from './filters/metrics.ts'
import { aggregateNumInstancesFilter, numInstancesFilter } from './filters/num-instances.ts'
import { numaTopologyFilter } from './filters/numa-topology.ts'
import { pciPassthroughFilter } from './filters/pci-passthrough.ts'
import { sameHostFilter } from './filters/same-host.ts'
import { serverGroupAffinityFilter } from './filters/server-group-affinity.ts'
import { serverGroupAntiAffinityFilter } from './filters/server-group-anti-affinity.ts'
import { simpleCidrAffinityFilter } from './filters/simple-cidr-affinity.ts'

const byName: Record<FilterName, readonly Filter[]> = {
  AggregateImagePropertiesIsolation: [aggregateImagePropertiesFilter],
  AggregateInstanceExtraSpecsFilter: [aggregateInstanceExtraSpecsFilter],
  AggregateIoOpsFilter: [aggregateIoOpsFilter],
  AggregateMultiTenancyIsolation: [aggregateMultiTenancyFilter],
  AggregateNumInstancesFilter: [aggregateNumInstancesFilter],
  AggregateTypeAffinityFilter: [aggregateTypeAffinityFilter],
  AllHostsFilter: [allHostsFilter],
  ComputeCapabilitiesFilter: [computeCapabilitiesFilter],
  ComputeFilter: computeFilters,
  DifferentHostFilter: [differentHostFilter],
  ImagePropertiesFilter: [imagePropertiesFilter],
  IoOpsFilter: [ioOpsFilter],
  IsolatedHostsFilter: [isolatedHostsFilter],
  JsonFilter: [jsonFilter],
  MetricsFilter: [metricsFilter],
  NUMATopologyFilter: [numaTopologyFilter],
  NumInstancesFilter: [numInstancesFilter],
  PciPassthroughFilter: [pciPassthroughFilter],
  SameHostFilter: [sameHostFilter],
  ServerGroupAffinityFilter: [serverGroupAffinityFilter],
  ServerGroupAntiAffinityFilter: [serverGroupAntiAffinityFilter],
  SimpleCIDRAffinityFilter: [simpleCidrAffinityFilter],
}

/** The filters to ask, in order: those that always are, with ComputeFilter among the first, then others of the settings. */
export const filtersOf = (names: readonly string[]): Filter[] => [
  ...askedForFilters,
  ...(names.includes('ComputeFilter') ? computeFilters : []),
  ...alwaysAsked,
  ...names.flatMap((name) => (name === 'ComputeFilter' ? [] : filtersNamed(name))),
]

const filtersNamed = (name: string): readonly Filter[] =>
  Object.hasOwn(byName, name) ? byName[name as FilterName] : []
