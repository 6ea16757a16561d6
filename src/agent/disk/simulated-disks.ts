import { mkdtempSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { consoleText } from './console-log.ts'
import { planDisks } from './disk-plan.ts'
import { createMovingSimulatedDisks } from './moving-simulated-disks.ts'
import { createSharedSimulatedDisks } from './shared-simulated-disks.ts'
import { createSimulatedStorage, type SimulatedServer, type SimulatedStorage } from './simulated-storage.ts'
import type { Disks, ServerDisks } from './disks.ts'
import { checkedStagingName } from './names.ts'
import { tinyQcow2 } from '../../hypervisor/simulated/tiny-qcow2.ts'

export interface SimulatedDisksOptions {
  /** Size of the disk that the host pretends to have. 4,096 GiB unless told. */
  capacityGiB?: number
  /** Where exported disks are written, the only files there are. A new temporary directory unless told. */
  stagingDirectory?: string
  /** This host, as others know it that see the same storage. */
  host?: string
  /** What several simulated hosts see; a host's own unless told. */
  storage?: SimulatedStorage
}

/**
 * Disks in memory, with the rules of the real ones: sizes, buses, idempotence. Nothing is fetched. An exported
 * disk is a small real file, so that an image can be made of it and a server of that.
 */
export function createSimulatedDisks(options: SimulatedDisksOptions = {}): Disks {
  const totalGiB = options.capacityGiB ?? 4096
  let staging = options.stagingDirectory
  const { host = 'simulated', storage = createSimulatedStorage() } = options
  const { servers } = storage
  const moving = createMovingSimulatedDisks(host, storage, plan)
  const sharing = createSharedSimulatedDisks(host, storage, options.storage !== undefined, moving.outgoing)
  const ownServer = (serverId: string): SimulatedServer | undefined => {
    const server = servers.get(serverId)
    return server?.mark.host === host ? server : undefined
  }

  function plan(spec: ServerSpec): ServerDisks {
    const planned = planDisks(spec, {
      file: join('/simulated/images', spec.image.id),
      format: spec.image.diskFormat === 'raw' ? 'raw' : 'qcow2',
      virtualSizeBytes: spec.image.diskFormat === 'raw' ? spec.image.sizeBytes : 2 ** 20,
    })
    return {
      disks: planned.map(({ name, ...disk }) => ({ ...disk, directIo: true, file: pathOf(spec.id, name) })),
    }
  }

  const pathOf = (serverId: string, name: string): string => join('/simulated/servers', serverId, name)

  return {
    ...moving,
    ...sharing,

    async prepare(spec, signal, takeFrom) {
      signal?.throwIfAborted()
      const known = servers.get(spec.id)
      if (known && takeFrom !== undefined && isOf(known, takeFrom)) known.mark = { host, takenFrom: takeFrom }
      if (known && known.mark.host !== host)
        throw new LodgeError('conflict', `The disks of the server are those of host ${known.mark.host}.`)
      if (known) return structuredClone(known.disks)
      const disks = plan(spec)
      servers.set(spec.id, { spec, disks, mark: { host } })
      return structuredClone(disks)
    },

    async describe(serverId) {
      return structuredClone(ownServer(serverId)?.disks)
    },

    async exportRoot(serverId, target, format, { source, signal } = {}) {
      signal?.throwIfAborted()
      if (!source && !ownServer(serverId))
        throw new LodgeError('notFound', `This host has no disk of the server ${serverId}.`)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, format === 'qcow2' ? tinyQcow2() : Buffer.alloc(64 * 1024), { mode: 0o600 })
    },

    async remove(serverId, returnTo) {
      const server = ownServer(serverId)
      if (server && returnTo !== undefined && server.mark.takenFrom === returnTo)
        server.mark = { host: returnTo }
      else if (server) servers.delete(serverId)
      moving.forget(serverId)
    },

    // Nothing is fetched.
    async cacheImage(_image, signal) {
      signal?.throwIfAborted()
    },
    async removeUnusedImages() {},

    async list() {
      return [...servers.keys()].filter(ownServer)
    },

    async assertSpareRoom() {},

    stagingPath(name) {
      // With a random name: others may write to the system's temporary directory, too.
      staging ??= mkdtempSync(join(tmpdir(), 'lodge-simulated-'))
      return join(staging, checkedStagingName(name))
    },

    async capacity() {
      let used = 0
      for (const { disks } of servers.values()) for (const { sizeBytes } of disks.disks) used += sizeBytes
      return { totalGiB, freeGiB: Math.max(0, totalGiB - Math.ceil(used / 2 ** 30)) }
    },

    consoleLogPath: (serverId) => pathOf(serverId, 'console.log'),

    async readConsole(serverId, length) {
      const spec = ownServer(serverId)?.spec
      return spec ? consoleText(Buffer.from(bootMessages(spec)), length) : ''
    },
  }
}

const isOf = ({ mark }: SimulatedServer, host: string): boolean =>
  mark.host === host || mark.takenFrom === host

function bootMessages({ id, name, hostname, flavor }: ServerSpec): string {
  return [
    'SeaBIOS (simulated)',
    'Booting from Hard Disk...',
    '[    0.000000] Linux version 6.1.0 (simulated)',
    `[    0.000000] DMI: Lodge, serial ${id}`,
    `[    0.012000] Memory: ${flavor.memoryMiB * 1024}K available`,
    `[    0.034000] smp: Brought up 1 node, ${flavor.vcpus} CPU${flavor.vcpus === 1 ? '' : 's'}`,
    '[    0.310000] virtio_blk virtio0: [vda]',
    `simulated guest of the server ${name}`,
    `${hostname} login: `,
  ]
    .map((line) => `${line}\n`)
    .join('')
}
