import { LodgeError } from '../../base/errors.ts'
import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_CPU_TOTAL,
  VIR_DOMAIN_STATS_INTERFACE,
  VIR_DOMAIN_STATS_STATE,
  VIR_DOMAIN_STATS_VCPU,
} from '../../libvirt/constants.ts'

const groupFlags: Record<string, number> = {
  state: VIR_DOMAIN_STATS_STATE,
  'cpu-total': VIR_DOMAIN_STATS_CPU_TOTAL,
  balloon: VIR_DOMAIN_STATS_BALLOON,
  vcpu: VIR_DOMAIN_STATS_VCPU,
  interface: VIR_DOMAIN_STATS_INTERFACE,
  block: VIR_DOMAIN_STATS_BLOCK,
}

/**
 * libvirt's bits for groups of statistics. Each group costs, so callers name what they need.
 * @throws LodgeError badRequest for a group that is not known
 */
export function statisticsFlags(groups: string[]): number {
  return groups.reduce((flags, group) => {
    const flag = groupFlags[group]
    if (flag === undefined) throw new LodgeError('badRequest', `There is no group of statistics '${group}'`)
    return flags | flag
  }, 0)
}
