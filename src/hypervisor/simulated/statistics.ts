import { powerState } from '../../model/server-state.ts'
import type { SimulatedDomain } from './simulated-domain.ts'

/** libvirt's numbers of the states that occur here (virDomainState). */
const libvirtState: Record<number, number> = {
  [powerState.RUNNING]: 1,
  [powerState.PAUSED]: 3,
  [powerState.SHUTDOWN]: 5,
}

/** A simulated guest uses a fiftieth of each of its CPUs. */
const load = 0.02

/** Statistics of a simulated domain, by the names that virConnectGetAllDomainStats uses. */
export function statisticsOf(
  domain: SimulatedDomain,
  groups: string[],
  now: number,
): Record<string, string | number | boolean> {
  const { vcpus, memoryMiB, disks } = domain.definition
  const byGroup: Record<string, Record<string, number | string>> = {
    state: { 'state.state': libvirtState[domain.state] ?? 0 },
  }
  if (domain.active) {
    const nanoseconds = Math.round((now - domain.startedAt) * 1e6 * load)
    byGroup['cpu-total'] = { 'cpu.time': nanoseconds * vcpus }
    byGroup.balloon = { 'balloon.current': memoryMiB * 1024, 'balloon.maximum': memoryMiB * 1024 }
    byGroup.vcpu = { 'vcpu.current': vcpus, 'vcpu.maximum': vcpus }
    for (let i = 0; i < vcpus; i += 1) byGroup.vcpu[`vcpu.${i}.time`] = nanoseconds
    byGroup.block = { 'block.count': disks.length }
    disks.forEach((name, i) => Object.assign(byGroup.block!, idleDisk(`block.${i}`, name)))
  }
  return Object.assign({}, ...groups.map((group) => byGroup[group]))
}

const idleDisk = (prefix: string, name: string): Record<string, number | string> => ({
  [`${prefix}.name`]: name,
  [`${prefix}.rd.reqs`]: 0,
  [`${prefix}.rd.bytes`]: 0,
  [`${prefix}.wr.reqs`]: 0,
  [`${prefix}.wr.bytes`]: 0,
})
