import type { Weigher } from '../weigher.ts'

/** Free memory. */
export const ramWeigher: Weigher = {
  name: 'ram',
  setting: 'ramWeight',
  aggregateKey: 'ram_weight_multiplier',
  values: (_request, { freeMemory }) => freeMemory,
}
