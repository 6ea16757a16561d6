import type { Weigher } from '../weigher.ts'

/** Moves stay in their cell; there is one. */
export const crossCellWeigher: Weigher = {
  name: 'cross-cell',
  setting: 'crossCellWeight',
  aggregateKey: 'cross_cell_move_weight_multiplier',
  values: () => null,
}
