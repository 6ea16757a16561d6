import type { DomainStats } from '../hypervisor/hypervisor.ts'
import type { GuestDiagnostics } from '../model/guest-diagnostics.ts'
import { isActive } from './domain-watch.ts'
import { needDomain, refuse } from './server/domain-power.ts'
import type { VerbContext } from './server/verb.ts'

/**
 * What libvirt counts of the guest.
 * @throws LodgeError notFound or conflict without a guest that runs
 */
export async function guestDiagnostics(context: VerbContext, serverId: string): Promise<GuestDiagnostics> {
  const domain = await needDomain(context, serverId)
  if (!isActive(domain.powerState)) refuse('diagnose', domain)
  const [stats, { virtType }] = await Promise.all([
    context.hypervisor.domainStats(serverId, ['balloon', 'vcpu', 'block']),
    context.capabilities(),
  ])
  return {
    powerState: domain.powerState,
    hypervisor: virtType,
    memory: {
      maximumKiB: numberOf(stats, 'balloon.maximum'),
      usedKiB: numberOf(stats, 'balloon.rss'),
    },
    cpus: indexes(stats, 'vcpu.current').map((id) => ({ id, timeNs: numberOf(stats, `vcpu.${id}.time`) })),
    disks: indexes(stats, 'block.count').map((i) => ({
      target: String(stats[`block.${i}.name`] ?? i),
      readBytes: numberOf(stats, `block.${i}.rd.bytes`),
      readRequests: numberOf(stats, `block.${i}.rd.reqs`),
      writeBytes: numberOf(stats, `block.${i}.wr.bytes`),
      writeRequests: numberOf(stats, `block.${i}.wr.reqs`),
    })),
  }
}

const indexes = (stats: DomainStats, count: string): number[] =>
  Array.from({ length: Number(stats[count] ?? 0) }, (_, index) => index)

const numberOf = (stats: DomainStats, name: string): number | null =>
  stats[name] === undefined ? null : Number(stats[name])
