/**
 * How the scheduler chooses. Each number named `...Weight` multiplies a weigher and may be overridden for the hosts
 * of an aggregate by the aggregate's metadata, under Nova's name of the option (`ram_weight_multiplier`, ...); so
 * may `maxIoOpsPerHost` and `maxServersPerHost`, by the filters whose names begin with Aggregate.
 */
export interface SchedulerConfig {
  /** How many hosts a build is tried on. */
  maxAttempts: number
  /** Names of the filters that are asked, in this order, after those that always are (state, zone, resources). */
  filters: string[]
  /** The host is picked by chance among so many of the best. */
  subsetSize: number
  ramWeight: number
  cpuWeight: number
  diskWeight: number
  ioOpsWeight: number
  pciWeight: number
  metricsWeight: number
  softAffinityWeight: number
  softAntiAffinityWeight: number
  buildFailureWeight: number
  crossCellWeight: number
  hypervisorVersionWeight: number
  numServersWeight: number
  imagePropertiesWeight: number
  /** `property=weight`: what a server with the same image property on the host is worth; a property alone is 1. */
  imagePropertiesSetting: string[]
  maxIoOpsPerHost: number
  maxServersPerHost: number
  /** Ids of images whose servers go to the isolated hosts only. */
  isolatedImages: string[]
  isolatedHosts: string[]
  /** Isolated hosts take no other servers. */
  restrictIsolatedHosts: boolean
  /** Only metadata of aggregates that begins with this, null: any, is compared with image properties. */
  imageIsolationNamespace: string | null
  imageIsolationSeparator: string
  /** Of images that name none; null: any. */
  defaultArchitecture: string | null
  /** `metric=ratio` */
  metricsSetting: string[]
  /** A host without one of these metrics is turned away; otherwise it weighs `metricsUnavailableWeight`. */
  metricsRequired: boolean
  metricsUnavailableWeight: number
}

export const defaultSchedulerConfig: SchedulerConfig = {
  maxAttempts: 3,
  filters: [
    'ComputeFilter',
    'ComputeCapabilitiesFilter',
    'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter',
    'ServerGroupAffinityFilter',
    'SameHostFilter',
    'DifferentHostFilter',
  ],
  subsetSize: 1,
  ramWeight: 1,
  cpuWeight: 1,
  diskWeight: 1,
  ioOpsWeight: -1,
  pciWeight: 1,
  metricsWeight: 1,
  softAffinityWeight: 1,
  softAntiAffinityWeight: 1,
  buildFailureWeight: 1_000_000,
  crossCellWeight: 1_000_000,
  hypervisorVersionWeight: 1,
  numServersWeight: 0,
  imagePropertiesWeight: 0,
  imagePropertiesSetting: [],
  maxIoOpsPerHost: 8,
  maxServersPerHost: 50,
  isolatedImages: [],
  isolatedHosts: [],
  restrictIsolatedHosts: true,
  imageIsolationNamespace: null,
  imageIsolationSeparator: '.',
  defaultArchitecture: null,
  metricsSetting: [],
  metricsRequired: true,
  metricsUnavailableWeight: -10_000,
}

/** All filters there are, by Nova's names. */
export const filterNames = [
  'AggregateImagePropertiesIsolation',
  'AggregateInstanceExtraSpecsFilter',
  'AggregateIoOpsFilter',
  'AggregateMultiTenancyIsolation',
  'AggregateNumInstancesFilter',
  'AggregateTypeAffinityFilter',
  'AllHostsFilter',
  'ComputeCapabilitiesFilter',
  'ComputeFilter',
  'DifferentHostFilter',
  'ImagePropertiesFilter',
  'IoOpsFilter',
  'IsolatedHostsFilter',
  'JsonFilter',
  'MetricsFilter',
  'NUMATopologyFilter',
  'NumInstancesFilter',
  'PciPassthroughFilter',
  'SameHostFilter',
  'ServerGroupAffinityFilter',
  'ServerGroupAntiAffinityFilter',
  'SimpleCIDRAffinityFilter',
] as const

export type FilterName = (typeof filterNames)[number]
