import type { Weigher } from '../weigher.ts'

/** Hosts where builds failed of late stand behind all others, until one succeeds there. */
export const buildFailureWeigher: Weigher = {
  name: 'build-failure',
  setting: 'buildFailureWeight',
  aggregateKey: 'build_failure_weight_multiplier',
  values: (_request, { failedBuilds }) => {
    // A plain loop: this is looked at for every placement, and nearly always there are none.
    for (let i = 0; i < failedBuilds.length; i += 1)
      if (failedBuilds[i]! > 0) return failedBuilds.map((count) => -count)
    return null
  },
}
