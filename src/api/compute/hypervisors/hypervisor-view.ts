import type { Config } from '../../../base/config.ts'
import type { Hypervisor, Workload } from '../../../store/host-list.ts'
import { isServiceUp } from '../services/service-state.ts'
import { uptimeText } from './uptime-text.ts'

type View = Record<string, unknown>

/** What all views depend on. */
export interface ViewContext {
  version: number
  now: number
  hosts: Config['hosts']
}

/** The id that this microversion shows: a number below 2.53, then the UUID. */
export const shownId = (hypervisor: Hypervisor, version: number): number | string =>
  version >= 53 ? hypervisor.id : hypervisor.number

export function hypervisorSummary(hypervisor: Hypervisor, context: ViewContext): View {
  return {
    id: shownId(hypervisor, context.version),
    hypervisor_hostname: hypervisor.description.hypervisorHostname,
    state: isServiceUp(hypervisor.service, context.now, context.hosts) ? 'up' : 'down',
    status: hypervisor.service.disabled ? 'disabled' : 'enabled',
  }
}

/**
 * A hypervisor in full. `cpu_info` was JSON in a text until 2.28. From 2.88 on usage and sizes are placement's
 * business, and the uptime stands here.
 */
export function hypervisorView(
  hypervisor: Hypervisor,
  workload: Workload | undefined,
  context: ViewContext,
): View {
  const { description, service } = hypervisor
  const { version } = context
  return {
    ...hypervisorSummary(hypervisor, context),
    hypervisor_type: description.hypervisorType,
    hypervisor_version: description.hypervisorVersion,
    host_ip: description.hostIp,
    service: {
      id: version >= 53 ? service.id : service.number,
      host: hypervisor.name,
      disabled_reason: service.disabledReason,
    },
    ...(version >= 88
      ? { uptime: uptimeOf(hypervisor, context) }
      : { ...usageOf(hypervisor, workload), cpu_info: cpuInfo(hypervisor, version) }),
  }
}

export type Usage = ReturnType<typeof usageOf>

/** Sizes and what is taken of them; what the host keeps for itself counts as taken, as in Nova. */
export function usageOf({ description, used }: Hypervisor, workload: Workload | undefined) {
  const { vcpus, memoryMiB, diskGiB } = description
  const memoryUsed = memoryMiB.reserved + used.memoryMiB
  const diskUsed = Math.ceil(diskGiB.reserved) + used.diskGiB
  return {
    vcpus: vcpus.total,
    vcpus_used: vcpus.reserved + used.vcpus,
    memory_mb: memoryMiB.total,
    memory_mb_used: memoryUsed,
    free_ram_mb: memoryMiB.total - memoryUsed,
    local_gb: Math.floor(diskGiB.total),
    local_gb_used: diskUsed,
    free_disk_gb: Math.floor(diskGiB.total) - diskUsed,
    disk_available_least: Math.floor(description.diskFreeGiB),
    running_vms: workload?.servers ?? 0,
    current_workload: workload?.busy ?? 0,
  }
}

/** null while the host is down. */
export function uptimeOf({ description, service }: Hypervisor, { now, hosts }: ViewContext): string | null {
  if (!isServiceUp(service, now, hosts)) return null
  const { bootedAt = service.lastSeenAt - description.uptimeSeconds * 1000, loadAverage } = description
  return uptimeText(now, Math.max(0, now - bootedAt) / 1000, loadAverage)
}

function cpuInfo({ description: { cpu } }: Hypervisor, version: number): unknown {
  const info = {
    arch: cpu.arch,
    vendor: cpu.vendor,
    model: cpu.model,
    features: cpu.features,
    topology: { sockets: cpu.sockets, cores: cpu.cores, threads: cpu.threads },
  }
  return version >= 28 ? info : JSON.stringify(info)
}
