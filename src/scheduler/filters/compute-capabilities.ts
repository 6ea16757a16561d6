import { meets } from '../extra-spec-operators.ts'
import type { Filter } from '../filter.ts'
import { capabilityOf } from '../host-attributes.ts'

const scope = 'capabilities:'

/**
 * Extra specs with scope `capabilities:`, or with none, are compared with what is known of the host:
 * `capabilities:hypervisor_type`, `capabilities:cpu_info:features`. Specs of other scopes are others' business.
 */
export const computeCapabilitiesFilter: Filter = {
  name: 'ComputeCapabilitiesFilter',
  prepare: ({ flavor }, table) => {
    const wanted = Object.entries(flavor.extraSpecs).flatMap(([key, requirement]) => {
      if (key.startsWith(scope)) return [{ path: key.slice(scope.length).split(':'), requirement }]
      return key.includes(':') ? [] : [{ path: [key], requirement }]
    })
    if (wanted.length === 0) return null
    return (index) =>
      wanted.every(({ path, requirement }) => meets(capabilityOf(table, index, path), requirement))
  },
}
