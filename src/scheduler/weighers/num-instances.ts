import type { Weigher } from '../weigher.ts'

/** Servers on the host: a positive multiplier packs, a negative one spreads. */
export const numInstancesWeigher: Weigher = {
  name: 'num-instances',
  setting: 'numServersWeight',
  aggregateKey: 'num_instances_weight_multiplier',
  values: (_request, { servers }) => servers,
}
