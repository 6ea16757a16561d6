import type { Weigher } from '../weigher.ts'

/** Newer hypervisors. */
export const hypervisorVersionWeigher: Weigher = {
  name: 'hypervisor-version',
  setting: 'hypervisorVersionWeight',
  aggregateKey: 'hypervisor_version_weight_multiplier',
  values: (_request, { hypervisorVersion }) => hypervisorVersion,
}
