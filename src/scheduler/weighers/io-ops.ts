import type { Weigher } from '../weigher.ts'

/** Servers in work; its multiplier is negative, so fewer are better. */
export const ioOpsWeigher: Weigher = {
  name: 'io-ops',
  setting: 'ioOpsWeight',
  aggregateKey: 'io_ops_weight_multiplier',
  values: (_request, { ioOps }) => ioOps,
}
