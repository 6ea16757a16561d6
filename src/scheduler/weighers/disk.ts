import type { Weigher } from '../weigher.ts'

/** Free disk. */
export const diskWeigher: Weigher = {
  name: 'disk',
  setting: 'diskWeight',
  aggregateKey: 'disk_weight_multiplier',
  values: (_request, { freeDisk }) => freeDisk,
}
