import type { UsedServer } from '../../../store/server-usage.ts'
import { isoMicroseconds } from '../../common/time.ts'

export interface Period {
  /** Milliseconds since 1970. */
  from: number
  to: number
}

/** What one project used in a period: hours, and hours times each resource. */
export function projectUsage(
  projectId: string,
  servers: UsedServer[],
  period: Period,
  options: { now: number; detailed: boolean },
): Record<string, unknown> {
  const total = { hours: 0, vcpus: 0, memoryMiB: 0, diskGiB: 0 }
  for (const server of servers) {
    const hours = hoursIn(server, period)
    total.hours += hours
    total.vcpus += hours * server.flavor.vcpus
    total.memoryMiB += hours * server.flavor.memoryMiB
    total.diskGiB += hours * diskOf(server)
  }
  return {
    tenant_id: projectId,
    start: isoMicroseconds(period.from),
    stop: isoMicroseconds(period.to),
    total_hours: total.hours,
    total_vcpus_usage: total.vcpus,
    total_memory_mb_usage: total.memoryMiB,
    total_local_gb_usage: total.diskGiB,
    ...(options.detailed && {
      server_usages: servers.map((server) => serverUsage(server, period, options.now)),
    }),
  }
}

function serverUsage(server: UsedServer, period: Period, now: number) {
  const { flavor, launchedAt, terminatedAt } = server
  return {
    instance_id: server.id,
    name: server.name,
    tenant_id: server.projectId,
    state: terminatedAt === null ? server.vmState : 'terminated',
    flavor: flavor.name,
    vcpus: flavor.vcpus,
    memory_mb: flavor.memoryMiB,
    local_gb: diskOf(server),
    started_at: isoMicroseconds(launchedAt),
    ended_at: isoMicroseconds(terminatedAt),
    uptime: Math.max(0, Math.floor(((terminatedAt ?? now) - launchedAt) / 1000)),
    hours: hoursIn(server, period),
  }
}

const diskOf = ({ flavor }: UsedServer): number => flavor.rootGiB + flavor.ephemeralGiB

function hoursIn({ launchedAt, terminatedAt }: UsedServer, { from, to }: Period): number {
  const end = Math.min(to, terminatedAt ?? to)
  return Math.max(0, end - Math.max(from, launchedAt)) / 3_600_000
}
