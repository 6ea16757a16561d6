import { access, constants, copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'
import type { PlannedDisk } from './disk-plan.ts'
import { readDiskRecord } from './disk-record.ts'
import type { ServerDisks } from './disks.ts'
import type { ImageCache } from './image-cache.ts'
import type { MovingDisks } from './moving-disks.ts'
import { incomingOf, readArrival } from './moving-file-disks.ts'
import { checkedStagingName } from './names.ts'
import { readOwnerMark, writeOwnerMark } from './owner-mark.ts'
import type { Ownership } from './ownership.ts'
import type { SharedDisks } from './shared-disks.ts'

export interface SharedFileDisksOptions {
  host: string
  shared: boolean
  /** Of all servers' disks. */
  directory: string
  directoryOf(serverId: string): string
  placed(directory: string, disks: PlannedDisk[]): ServerDisks
  ownership: Ownership
  cache: ImageCache
  outgoing: MovingDisks['outgoing']
}

/** Disks as files on storage that other hosts see as well, such as NFS; who owns them says a file beside them. */
export function createSharedFileDisks(options: SharedFileDisksOptions): SharedDisks {
  const { host, directoryOf, ownership } = options
  const probePath = (name: string): string =>
    join(options.directory, `${probePrefix}${checkedStagingName(name)}`)

  return {
    shared: options.shared,

    async leaveProbe(name) {
      const path = probePath(name)
      await mkdir(dirname(path), { recursive: true })
      await removeOldProbes(options.directory)
      await writeFile(path, '', { mode: 0o600 })
      return path
    },

    seesProbe: async (name, path) => path === probePath(name) && (await exists(path)),

    removeProbe: (name) => rm(probePath(name), { force: true }),

    async expectGuest(spec, signal) {
      const directory = directoryOf(spec.id)
      const recorded = await readDiskRecord(directory)
      if (!recorded) throw new LodgeError('notFound', `The disks of the server are not on host ${host}`)
      const backing = recorded.find(({ role }) => role === 'root')?.backing
      if (backing && !(await exists(backing.file)))
        await options.cache.use(spec.image, spec.flavor.rootGiB * 2 ** 30, async () => {}, signal)
      return options.placed(directory, recorded)
    },

    async take(serverId) {
      const directory = directoryOf(serverId)
      if (await ownership.otherOwner(directory)) await writeOwnerMark(directory, { host })
    },

    async give(serverId, to) {
      const directory = directoryOf(serverId)
      if (await ownership.isOurs(directory)) await writeOwnerMark(directory, { host: to })
    },

    async lost(serverIds) {
      const owners = await Promise.all(serverIds.map((id) => ownership.otherOwner(directoryOf(id))))
      return serverIds.filter((_, index) => owners[index] !== undefined)
    },

    seesArrival: async (serverId, migrationId) =>
      (await readArrival(incomingOf(directoryOf(serverId))))?.migrationId === migrationId,

    async handOver(serverId, to, migrationId) {
      const directory = directoryOf(serverId)
      const mark = await readOwnerMark(directory)
      if (mark?.host === to && mark.movedWith === migrationId) return
      if (!(await ownership.isOurs(directory)))
        throw new LodgeError('conflict', `The disks of the server are not those of host ${host}.`)
      await writeOwnerMark(directory, { host: to, takenFrom: host, movedWith: migrationId })
    },

    async copyAside(serverId, flat, signal) {
      const incoming = incomingOf(directoryOf(serverId))
      for (const { name, file, sizeBytes } of await options.outgoing(serverId, flat, signal)) {
        const target = join(incoming, name)
        // No bytes at all where the file system can share blocks.
        await copyFile(file!, `${target}.part`, constants.COPYFILE_FICLONE)
        signal.throwIfAborted()
        const { size } = await stat(`${target}.part`)
        if (size !== sizeBytes)
          throw new LodgeError('unavailable', `Of ${sizeBytes} bytes of ${name} ${size} were copied`)
        await rename(`${target}.part`, target)
      }
    },
  }
}

/** Whoever left it has been answered, or never will be. */
const probeAgeMs = 600_000

/** Those of moves that ended before they came to removing it, such as by a crash of the host. */
async function removeOldProbes(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((one) => one.startsWith(probePrefix))) {
    const path = join(directory, name)
    const found = await stat(path).catch(() => undefined) // another host may be at it
    if (found && Date.now() - found.mtimeMs > probeAgeMs) await rm(path, { force: true })
  }
}

const probePrefix = 'probe-'

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
