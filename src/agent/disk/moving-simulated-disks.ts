import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from './disks.ts'
import type { MovingDisks } from './moving-disks.ts'

export interface SimulatedServer {
  spec: ServerSpec
  disks: ServerDisks
  arrivedWith?: string
}

/** Moving disks in memory, with the rules of the real ones. Each file is a few bytes. */
export function createMovingSimulatedDisks(
  servers: Map<string, SimulatedServer>,
  plan: (spec: ServerSpec) => ServerDisks,
): MovingDisks & { forget(serverId: string): void } {
  const aside = new Map<string, SimulatedServer>()
  const incoming = new Map<string, { migrationId: string; files: Set<string>; rootBytes: number }>()

  return {
    async expect(spec, migrationId, signal) {
      signal.throwIfAborted()
      plan(spec)
      incoming.set(spec.id, { migrationId, files: new Set(), rootBytes: 0 })
      return { flat: false }
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
      const arrival = incoming.get(spec.id)
      if (arrival?.migrationId !== migrationId || !arrival.files.has('disk'))
        throw new LodgeError('notFound', 'The disks of the server have not arrived')
      if (known) throw new LodgeError('conflict', 'The server has disks on this host already')
      const disks = plan(spec)
      if (disks.disks[0]!.sizeBytes < arrival.rootBytes)
        throw new LodgeError('badRequest', 'Unable to resize disk down.')
      incoming.delete(spec.id)
      servers.set(spec.id, { spec, disks, arrivedWith: migrationId })
      return structuredClone(disks)
    },
    async arrivalOf(serverId) {
      const arrival = incoming.get(serverId)
      return arrival?.files.has('disk') ? arrival.migrationId : undefined
    },
    cameWith: async (serverId, migrationId) => servers.get(serverId)?.arrivedWith === migrationId,
    async discard(serverId, migrationId) {
      if (incoming.get(serverId)?.migrationId === migrationId) incoming.delete(serverId)
      if (servers.get(serverId)?.arrivedWith === migrationId) servers.delete(serverId)
    },
    async putAside(serverId) {
      if (aside.has(serverId)) return
      const server = servers.get(serverId)
      if (!server) throw new LodgeError('notFound', `This host has no disks of the server ${serverId}.`)
      aside.set(serverId, server)
      servers.delete(serverId)
    },
    async putBack(serverId) {
      const server = aside.get(serverId)
      if (!server) return false
      if (servers.has(serverId))
        throw new LodgeError('conflict', `The server ${serverId} has other disks on this host by now.`)
      servers.set(serverId, server)
      aside.delete(serverId)
      return true
    },
    forgetAside: async (serverId) => void aside.delete(serverId),
    async outgoing(serverId) {
      const server = aside.get(serverId)
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
      aside.delete(serverId)
      incoming.delete(serverId)
    },
  }
}
