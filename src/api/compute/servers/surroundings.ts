import type { Server } from '../../../model/server.ts'
import { statusOf } from '../../../model/server-state.ts'
import { groupsOfServers } from '../../../store/server-groups.ts'
import { hostFactsOf, type HostFacts } from '../../../store/host-facts.ts'
import { latestFaults } from '../../../store/server-faults.ts'
import { tagsOfServers } from '../../../store/server-tags.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest, ApiServices } from '../../common/route.ts'
import { hostZones } from '../services/service-state.ts'
import { serverView, statusesWithFault, type ServerForm, type ServerSurroundings } from './server-view.ts'

/** Servers as the API shows them, with what their views need read in as few queries as there are tables. */
export async function viewServers(
  services: Pick<ApiServices, 'clock' | 'config'>,
  db: Db,
  servers: readonly Server[],
  request: ApiRequest,
  form: ServerForm,
): Promise<Record<string, unknown>[]> {
  const around = await surroundingsOf(services, db, servers, request, form)
  return servers.map((server) => serverView(server, around(server), request, form))
}

async function surroundingsOf(
  { clock, config }: Pick<ApiServices, 'clock' | 'config'>,
  db: Db,
  servers: readonly Server[],
  request: ApiRequest,
  form: ServerForm,
): Promise<(server: Server) => ServerSurroundings> {
  const idsOf = (some: readonly Server[]): string[] => some.map(({ id }) => id)
  const faulty = servers.filter(({ vmState, taskState }) =>
    statusesWithFault.has(statusOf(vmState, taskState)),
  )
  const faults = await latestFaults(db, idsOf(faulty))
  const tags = request.version >= 26 ? await tagsOfServers(db, idsOf(servers)) : new Map<string, string[]>()
  // Only administrators see the facts of the hosts.
  const names = [...new Set(servers.flatMap(({ host }) => host ?? []))]
  const hosts = await hostFactsOf(db, request.caller.isAdmin ? names : [])
  const zones = await hostZones(db, config.hosts, names)
  const groups =
    form !== 'detail' && request.version >= 71
      ? await groupsOfServers(db, idsOf(servers))
      : new Map<string, string>()
  const upSince = clock.now() - config.hosts.downAfterSeconds * 1000
  return (server) => {
    const host = server.host === null ? undefined : hosts.get(server.host)
    return {
      tags: tags.get(server.id) ?? [],
      fault: faults.get(server.id) ?? null,
      hypervisorHostname: host?.hypervisorHostname ?? null,
      hostStatus: server.host === null ? '' : hostStatusOf(host, upSince),
      hostZone: server.host === null ? null : zones(server.host),
      group: groups.get(server.id) ?? null,
    }
  }
}

/** Nova's `host_status`. */
function hostStatusOf(host: HostFacts | undefined, upSince: number): string {
  if (!host) return 'UNKNOWN'
  if (host.forcedDown) return 'DOWN'
  if (host.disabled) return 'MAINTENANCE'
  return host.lastSeenAt >= upSince ? 'UP' : 'UNKNOWN'
}
