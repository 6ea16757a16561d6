import type { Weigher } from '../weigher.ts'

/** Free vCPUs. */
export const cpuWeigher: Weigher = {
  name: 'cpu',
  setting: 'cpuWeight',
  aggregateKey: 'cpu_weight_multiplier',
  values: (_request, { freeVcpus }) => freeVcpus,
}
