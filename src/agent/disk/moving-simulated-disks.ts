import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from './disks.ts'
import type { MovingDisks } from './moving-disks.ts'
import type { SimulatedServer, SimulatedStorage } from './simulated-storage.ts'

/** Moving disks in memory, with the rules of the real ones. Each file is a few bytes. */
export function createMovingSimulatedDisks(
  host: string,
  { servers, aside, incoming }: SimulatedStorage,
  plan: (spec: ServerSpec) => ServerDisks,
): MovingDisks & { forget(serverId: string): void } {
  const ours = (server: SimulatedServer | undefined): SimulatedServer | undefined =>
    server?.mark.host === host ? server : undefined
  const wasHandedOver = (server: SimulatedServer | undefined, migrationId: string): boolean =>
    ours(server)?.mark.movedWith === migrationId

  return {
    async expect(spec, migrationId, signal) {
      signal.throwIfAborted()
      const wanted = plan(spec)
      incoming.set(spec.id, { host, migrationId, files: new Set(), rootBytes: 0 })
      const there = servers.get(spec.id)
      if (!there || ours(there)) return { flat: false, shared: null }
      const same = sizesOf(there.disks) === sizesOf(wanted)
      return { flat: false, shared: same ? 'keep' : 'copy' }
    },
    async receive({ serverId, name, sizeBytes }, data) {
      const chunks: Uint8Array[] = []
      for await (const chunk of data) chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (bytes.length !== sizeBytes)
        throw new LodgeError('badRequest', `Of ${sizeBytes} bytes of ${name} ${bytes.length} came`)
      const arrival = incoming.get(serverId)
      if (!arrival) throw new LodgeError('notFound', 'No disks of the server are expected')
      arrival.files.add(name)
      if (name === 'disk') arrival.rootBytes = Number(bytes.toString())
    },
    async adopt(spec, migrationId) {
      const known = servers.get(spec.id)
      if (known?.arrivedWith === migrationId) return structuredClone(known.disks)
      if (known && wasHandedOver(known, migrationId)) {
        incoming.delete(spec.id)
        return structuredClone(known.disks)
      }
      const arrival = incoming.get(spec.id)
      if (arrival?.migrationId !== migrationId || !arrival.files.has('disk'))
        throw new LodgeError('notFound', 'The disks of the server have not arrived')
      if (known) throw new LodgeError('conflict', 'The server has disks on this host already')
      const disks = plan(spec)
      if (disks.disks[0]!.sizeBytes < arrival.rootBytes)
        throw new LodgeError('badRequest', 'Unable to resize disk down.')
      incoming.delete(spec.id)
      servers.set(spec.id, { spec, disks, mark: { host }, arrivedWith: migrationId })
      return structuredClone(disks)
    },
    async arrivals() {
      return [...incoming].filter(([, arrival]) => arrival.host === host).map(([serverId]) => serverId)
    },
    async arrivalOf(serverId) {
      const arrival = incoming.get(serverId)
      return arrival?.files.has('disk') ? arrival.migrationId : undefined
    },
    async cameWith(serverId, migrationId) {
      const server = ours(servers.get(serverId))
      return server?.arrivedWith === migrationId || wasHandedOver(server, migrationId)
    },
    async discard(serverId, migrationId) {
      if (incoming.get(serverId)?.migrationId === migrationId) incoming.delete(serverId)
      const server = ours(servers.get(serverId))
      if (server?.mark.movedWith === migrationId && server.mark.takenFrom !== undefined)
        server.mark = { host: server.mark.takenFrom }
      else if (server?.arrivedWith === migrationId) servers.delete(serverId)
    },
    async putAside(serverId) {
      if (ours(aside.get(serverId))) return
      const server = ours(servers.get(serverId))
      if (!server) throw new LodgeError('notFound', `This host has no disks of the server ${serverId}.`)
      aside.set(serverId, server)
      servers.delete(serverId)
    },
    async putBack(serverId) {
      const server = ours(aside.get(serverId))
      if (!server) return takeBack(serverId)
      if (servers.has(serverId))
        throw new LodgeError('conflict', `The server ${serverId} has other disks on this host by now.`)
      servers.set(serverId, server)
      aside.delete(serverId)
      return true
    },
    async forgetAside(serverId) {
      if (ours(aside.get(serverId))) aside.delete(serverId)
    },
    async outgoing(serverId) {
      const server = ours(aside.get(serverId))
      if (!server) throw new LodgeError('notFound', `No disks of the server ${serverId} were put aside.`)
      return server.disks.disks
        .filter(({ role }) => role !== 'swap')
        .map(({ role, sizeBytes }) => {
          const bytes = Buffer.from(String(sizeBytes))
          return {
            name: role === 'root' ? 'disk' : 'disk.eph0',
            sizeBytes: bytes.length,
            async *open() {
              yield bytes
            },
          }
        })
    },
    forget(serverId) {
      if (ours(aside.get(serverId))) aside.delete(serverId)
      if (incoming.get(serverId)?.host === host) incoming.delete(serverId)
    },
  }

  function takeBack(serverId: string): boolean {
    const server = servers.get(serverId)
    if (server?.mark.takenFrom !== host || server.mark.movedWith === undefined) return false
    server.mark = { host }
    return true
  }
}

const sizesOf = ({ disks }: ServerDisks): string =>
  disks.map(({ role, sizeBytes }) => `${role} ${sizeBytes}`).join()
