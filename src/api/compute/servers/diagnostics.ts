import { LodgeError } from '../../../base/errors.ts'
import type { GuestDiagnostics } from '../../../model/guest-diagnostics.ts'
import type { Server } from '../../../model/server.ts'
import { powerState } from '../../../model/server-state.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'
import { requireServer } from './find-server.ts'

/** What the hypervisor counts of a guest: up to 2.47 by the names that the libvirt driver of Nova has always had. */
export const diagnosticsRoute = (services: ApiServices): Route => ({
  method: 'GET',
  path: '/servers/:server_id/diagnostics',
  policy: 'os-server-diagnostics',
  role: 'admin',
  success: 200,
  query: emptyQuery,
  summary: 'Shows what the hypervisor counts of the guest: CPU time, memory, disks',
  handler: async (request) => {
    const server = await requireServer(services.store.db, request)
    if (server.host === null) throw new LodgeError('conflict', `Instance ${server.id} is not ready`)
    const diagnostics = await services.ask<'guestDiagnostics'>({
      version: 1,
      host: server.host,
      name: 'guestDiagnostics',
      params: { serverId: server.id },
    })
    return {
      body:
        request.version < 48 ? namedView(diagnostics) : normalView(server, diagnostics, services.clock.now()),
    }
  },
})

function namedView({ cpus, memory, disks }: GuestDiagnostics): Record<string, number | null> {
  const view: Record<string, number | null> = { memory: memory.maximumKiB }
  if (memory.usedKiB !== null) view['memory-rss'] = memory.usedKiB
  for (const { id, timeNs } of cpus) view[`cpu${id}_time`] = timeNs
  for (const { target, readBytes, readRequests, writeBytes, writeRequests } of disks)
    Object.assign(view, {
      [`${target}_read`]: readBytes,
      [`${target}_read_req`]: readRequests,
      [`${target}_write`]: writeBytes,
      [`${target}_write_req`]: writeRequests,
      // libvirt has no count of them, and says so in this way.
      [`${target}_errors`]: -1,
    })
  return view
}

/** The same for every driver; memory in MiB. Guests have no network interfaces yet. */
function normalView(server: Server, diagnostics: GuestDiagnostics, now: number): object {
  const { cpus, memory, disks } = diagnostics
  return {
    state: stateWords[diagnostics.powerState] ?? 'running',
    driver: 'libvirt',
    hypervisor: diagnostics.hypervisor,
    hypervisor_os: 'linux',
    uptime: server.launchedAt === null ? null : Math.floor((now - server.launchedAt) / 1000),
    config_drive: server.configDrive,
    num_cpus: cpus.length,
    num_disks: disks.length,
    num_nics: 0,
    memory_details: { maximum: mebibytes(memory.maximumKiB), used: mebibytes(memory.usedKiB) },
    cpu_details: cpus.map(({ id, timeNs }) => ({ id, time: timeNs, utilisation: null })),
    disk_details: disks.map((disk) => ({
      read_bytes: disk.readBytes,
      read_requests: disk.readRequests,
      write_bytes: disk.writeBytes,
      write_requests: disk.writeRequests,
      errors_count: null,
    })),
    nic_details: [],
  }
}

const stateWords: Record<number, string> = {
  [powerState.RUNNING]: 'running',
  [powerState.PAUSED]: 'paused',
  [powerState.SUSPENDED]: 'suspended',
}

const mebibytes = (kib: number | null): number | null => (kib === null ? null : Math.round(kib / 1024))
