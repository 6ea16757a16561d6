import { LodgeError } from '../../base/errors.ts'
import type { MovingDisks } from './moving-disks.ts'
import type { SharedDisks } from './shared-disks.ts'
import type { SimulatedStorage } from './simulated-storage.ts'

/** Storage in memory that several simulated hosts may see, with the rules of the real one. */
export function createSharedSimulatedDisks(
  host: string,
  { servers, probes, incoming }: SimulatedStorage,
  shared: boolean,
  outgoing: MovingDisks['outgoing'],
): SharedDisks {
  const pathOf = (name: string): string => `/simulated/servers/probe-${name}`
  return {
    shared,
    async leaveProbe(name) {
      probes.add(pathOf(name))
      return pathOf(name)
    },
    seesProbe: async (name, path) => path === pathOf(name) && probes.has(path),
    removeProbe: async (name) => void probes.delete(pathOf(name)),
    async expectGuest(spec) {
      const server = servers.get(spec.id)
      if (!server) throw new LodgeError('notFound', `The disks of the server are not on host ${host}`)
      return structuredClone(server.disks)
    },
    async take(serverId) {
      const server = servers.get(serverId)
      if (server) server.mark = { host }
    },
    async give(serverId, to) {
      const server = servers.get(serverId)
      if (server?.mark.host === host) server.mark = { host: to }
    },
    lost: async (serverIds) =>
      serverIds.filter((id) => servers.has(id) && servers.get(id)!.mark.host !== host),
    seesArrival: async (serverId, migrationId) => incoming.get(serverId)?.migrationId === migrationId,
    async handOver(serverId, to, migrationId) {
      const server = servers.get(serverId)
      if (server?.mark.host === to && server.mark.movedWith === migrationId) return
      if (server?.mark.host !== host)
        throw new LodgeError('conflict', `The disks of the server are not those of host ${host}.`)
      server.mark = { host: to, takenFrom: host, movedWith: migrationId }
    },
    async copyAside(serverId, flat, signal) {
      const arrival = incoming.get(serverId)
      if (!arrival) throw new LodgeError('notFound', 'No disks of the server are expected')
      for (const { name, open } of await outgoing(serverId, flat, signal)) {
        arrival.files.add(name)
        if (name !== 'disk') continue
        for await (const bytes of open()) arrival.rootBytes = Number(Buffer.from(bytes).toString())
      }
    },
  }
}
