import type { Weigher } from '../weigher.ts'

/** Hosts where builds failed of late stand behind all others, until one succeeds there. */
export const buildFailureWeigher: Weigher = {
  name: 'build-failure',
  setting: 'buildFailureWeight',
  aggregateKey: 'build_failure_weight_multiplier',
  values: (_request, { failedBuilds }) =>
    failedBuilds.some((count) => count > 0) ? failedBuilds.map((count) => -count) : null,
}
