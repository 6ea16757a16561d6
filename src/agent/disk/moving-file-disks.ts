import { createReadStream } from 'node:fs'
import { access, chmod, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { planDisks, type PlannedDisk } from './disk-plan.ts'
import { arrivedWith, diskRecordName, readDiskRecord, writeDiskRecord } from './disk-record.ts'
import type { ServerDisks } from './disks.ts'
import type { BaseImage, ImageCache } from './image-cache.ts'
import type { ImageTool } from './image-tool.ts'
import type { Expected, MovingDisks } from './moving-disks.ts'
import { readOwnerMark, writeOwnerMark } from './owner-mark.ts'
import type { Ownership } from './ownership.ts'
import { writeSparse } from './write-sparse.ts'

export interface MovingFileDisksOptions {
  host: string
  /** Of all servers' disks. */
  directory: string
  ownership: Ownership
  /** Of the server's own disks. */
  directoryOf(serverId: string): string
  /** A server's disks in such a directory, as users of them see them. */
  placed(directory: string, disks: PlannedDisk[]): ServerDisks
  /** Makes a disk that the server did not have. */
  make(directory: string, disk: PlannedDisk, base: BaseImage, signal: AbortSignal): Promise<void>
  cache: ImageCache
  tool: ImageTool
}

/** What is expected, beside the files that come. */
interface Arrival {
  migrationId: string
  flat: boolean
}

const asideSuffix = '_resize'
const incomingSuffix = '_incoming'
const arrivalName = 'arrival.json'
/** What may be sent. */
const diskNames = new Set(['disk', 'disk.eph0', 'disk.swap'])
/** The flattened root disk on its way out. */
const flatName = 'disk.flat'

/** Where disks arrive, of a server with that directory. */
export const incomingOf = (directory: string): string => `${directory}${incomingSuffix}`

/**
 * Moving disks as directories beside the server's own: `<id>_incoming` and, under Nova's name, `<id>_resize`. On storage
 * that both hosts see, each of them is one host's.
 */
export function createMovingFileDisks(
  options: MovingFileDisksOptions,
): MovingDisks & { /** Directories of disks that were put aside. */ asides(): Promise<string[]> } {
  const { host, directoryOf, ownership, cache, tool } = options
  const comingOf = (serverId: string): string => incomingOf(directoryOf(serverId))
  const asideOf = (serverId: string): string => `${directoryOf(serverId)}${asideSuffix}`

  const withBase = <T>(
    spec: ServerSpec,
    signal: AbortSignal,
    work: (base: BaseImage) => Promise<T>,
  ): Promise<T> => cache.use(spec.image, spec.flavor.rootGiB * 2 ** 30, work, signal)

  /** Whether the image can be had; and if so, whether it fits. */
  async function hasBase(spec: ServerSpec, signal: AbortSignal): Promise<boolean> {
    try {
      await withBase(spec, signal, async (base) => {
        planDisks(spec, base)
      })
      return true
    } catch (error) {
      if (error instanceof LodgeError && error.kind === 'notFound') return false
      throw error
    }
  }

  const isOurRecord = async (directory: string): Promise<boolean> =>
    (await ownership.isOurs(directory)) && (await readDiskRecord(directory)) !== undefined

  /** Whether another host's disks of the server are seen from here, and what of them the flavor changes. */
  async function sharedWith(
    spec: ServerSpec,
    flat: boolean,
    signal: AbortSignal,
  ): Promise<Expected['shared']> {
    const directory = directoryOf(spec.id)
    if ((await ownership.otherOwner(directory)) === undefined) return null
    const recorded = await readDiskRecord(directory)
    if (!recorded) return null
    // Without their image they stay as they are only if they never had one.
    if (flat) return recorded.some(({ backing }) => backing !== null) ? 'copy' : sameDisks(recorded, spec)
    return await withBase(spec, signal, async (base) => sameDisks(recorded, spec, base))
  }

  return {
    async asides() {
      const names = await readdir(options.directory)
      return names.filter((name) => name.endsWith(asideSuffix)).map((name) => join(options.directory, name))
    },

    async expect(spec, migrationId, signal) {
      const directory = comingOf(spec.id)
      // Whoever it was for: a server goes one way at a time.
      await rm(directory, { recursive: true, force: true })
      const flat = !(await hasBase(spec, signal))
      await ownership.make(directory)
      const arrival: Arrival = { migrationId, flat }
      await writeFile(join(directory, arrivalName), JSON.stringify(arrival), { mode: 0o600 })
      return { flat, shared: await sharedWith(spec, flat, signal) }
    },

    async receive({ serverId, name, sizeBytes }, data) {
      if (!diskNames.has(name)) throw new LodgeError('badRequest', 'There is no disk of such a name')
      const path = join(comingOf(serverId), name)
      const part = `${path}.part`
      try {
        const written = await writeSparse(part, data, sizeBytes)
        if (written !== sizeBytes)
          throw new LodgeError('badRequest', `Of ${sizeBytes} bytes of ${name} ${written} came`)
        await rename(part, path)
      } catch (error) {
        await rm(part, { force: true })
        throw error
      }
    },

    async adopt(spec, migrationId, signal) {
      const directory = directoryOf(spec.id)
      if ((await arrivedWith(directory)) === migrationId)
        return options.placed(directory, (await readDiskRecord(directory))!)
      if (await wasHandedOver(directory, migrationId)) {
        await rm(comingOf(spec.id), { recursive: true, force: true })
        return options.placed(directory, (await readDiskRecord(directory))!)
      }
      const incoming = comingOf(spec.id)
      const arrival = await readArrival(incoming)
      if (arrival?.migrationId !== migrationId || !(await exists(join(incoming, 'disk'))))
        throw new LodgeError('notFound', 'The disks of the server have not arrived')
      if (await readDiskRecord(directory))
        throw new LodgeError('conflict', 'The server has disks on this host already')
      const settle = async (base: BaseImage | null): Promise<PlannedDisk[]> => {
        const planned = await fit(incoming, spec, base, signal)
        await writeDiskRecord(incoming, planned, migrationId)
        await rm(join(incoming, arrivalName), { force: true })
        await rm(directory, { recursive: true, force: true })
        await rename(incoming, directory)
        return planned
      }
      const planned = arrival.flat ? await settle(null) : await withBase(spec, signal, settle)
      return options.placed(directory, planned)
    },

    async arrivals() {
      const names = await readdir(options.directory)
      const coming = names.filter((name) => name.endsWith(incomingSuffix))
      const ours = await Promise.all(coming.map((name) => ownership.isOurs(join(options.directory, name))))
      return coming.filter((_, index) => ours[index]).map((name) => name.slice(0, -incomingSuffix.length))
    },

    async arrivalOf(serverId) {
      const incoming = comingOf(serverId)
      return (await exists(join(incoming, 'disk'))) ? (await readArrival(incoming))?.migrationId : undefined
    },

    async cameWith(serverId, migrationId) {
      const directory = directoryOf(serverId)
      if (!(await ownership.isOurs(directory))) return false
      return (await arrivedWith(directory)) === migrationId || (await wasHandedOver(directory, migrationId))
    },

    async discard(serverId, migrationId) {
      const incoming = comingOf(serverId)
      const arrival = await readArrival(incoming)
      const whole = await arrivedWith(incoming)
      if (arrival?.migrationId === migrationId || whole === migrationId)
        await rm(incoming, { recursive: true, force: true })
      const directory = directoryOf(serverId)
      if (!(await ownership.isOurs(directory))) return
      const mark = await readOwnerMark(directory)
      if (mark?.movedWith === migrationId && mark.takenFrom !== undefined)
        await writeOwnerMark(directory, { host: mark.takenFrom })
      else if ((await arrivedWith(directory)) === migrationId)
        await rm(directory, { recursive: true, force: true })
    },

    async putAside(serverId) {
      const [directory, aside] = [directoryOf(serverId), asideOf(serverId)]
      if (await isOurRecord(aside)) return
      if (!(await isOurRecord(directory)))
        throw new LodgeError('notFound', `This host has no disks of the server ${serverId}.`)
      await rm(aside, { recursive: true, force: true })
      await rename(directory, aside)
    },

    async putBack(serverId) {
      const [directory, aside] = [directoryOf(serverId), asideOf(serverId)]
      if (!(await isOurRecord(aside))) return takeBack(directory)
      if (await readDiskRecord(directory))
        throw new LodgeError('conflict', `The server ${serverId} has other disks on this host by now.`)
      await rm(directory, { recursive: true, force: true })
      await rm(join(aside, flatName), { force: true })
      await rename(aside, directory)
      return true
    },

    async forgetAside(serverId) {
      const aside = asideOf(serverId)
      if (!(await ownership.isOurs(aside))) return
      await rm(join(aside, diskRecordName), { force: true })
      await rm(aside, { recursive: true, force: true })
    },

    async outgoing(serverId, flat, signal) {
      const aside = asideOf(serverId)
      const recorded = (await isOurRecord(aside)) ? await readDiskRecord(aside) : undefined
      if (!recorded) throw new LodgeError('notFound', `No disks of the server ${serverId} were put aside.`)
      const root = recorded.find(({ role }) => role === 'root')!
      if (flat) {
        const file = join(aside, flatName)
        await rm(file, { force: true })
        const source = { file: join(aside, root.name), format: root.format }
        await tool.convert(source, { file, format: 'qcow2' }, { trusted: true, signal })
      }
      // What was swapped out ended with the guest's power.
      const sent = recorded.filter(({ role }) => role !== 'swap')
      return Promise.all(
        sent.map(async ({ name }) => {
          const file = join(aside, flat && name === root.name ? flatName : name)
          const { size } = await stat(file)
          return {
            name,
            file,
            sizeBytes: size,
            open: () => createReadStream(file, { highWaterMark: 2 ** 20, signal }),
          }
        }),
      )
    },
  }

  async function wasHandedOver(directory: string, migrationId: string): Promise<boolean> {
    const mark = await readOwnerMark(directory)
    return mark?.host === host && mark.movedWith === migrationId
  }

  /** What was handed to another host, for a move that came to nothing. */
  async function takeBack(directory: string): Promise<boolean> {
    const mark = await readOwnerMark(directory)
    if (mark?.takenFrom !== host || mark.movedWith === undefined || mark.host === host) return false
    await writeOwnerMark(directory, { host })
    return true
  }

  /** Brings the disks that came to what the flavor wants. */
  async function fit(
    directory: string,
    spec: ServerSpec,
    base: BaseImage | null,
    signal: AbortSignal,
  ): Promise<PlannedDisk[]> {
    const rootFile = join(directory, 'disk')
    const rootBytes = await virtualSizeOf(rootFile)
    const stand: BaseImage = base ?? { file: '', format: 'qcow2', virtualSizeBytes: rootBytes }
    const planned = planDisks(spec, stand)
    for (const disk of planned) {
      const file = join(directory, disk.name)
      if (disk.role === 'root') {
        if (spec.flavor.rootGiB === 0) disk.sizeBytes = rootBytes
        assertGrows(disk, rootBytes)
        if (base === null) disk.backing = null
        await tool.rebase(file, base, signal)
        if (disk.sizeBytes > rootBytes) await tool.grow(file, disk.sizeBytes, signal)
      } else if (disk.role === 'ephemeral' && (await exists(file))) {
        const { size } = await stat(file)
        assertGrows(disk, size)
        await using handle = await open(file, 'r+')
        await handle.truncate(disk.sizeBytes)
      } else await options.make(directory, disk, stand, signal)
      await chmod(file, 0o600)
    }
    return planned
  }
}

/** @returns whether a server of that kind has disks of the very sizes that are on record */
function sameDisks(recorded: PlannedDisk[], spec: ServerSpec, base?: BaseImage): 'keep' | 'copy' {
  const root = recorded.find(({ role }) => role === 'root')!
  const stand: BaseImage = base ?? { file: '', format: 'qcow2', virtualSizeBytes: root.sizeBytes }
  const planned = planDisks(spec, stand)
  const sizes = (disks: PlannedDisk[]): string => disks.map((disk) => `${disk.name} ${disk.sizeBytes}`).join()
  const free = spec.flavor.rootGiB === 0
  return sizes(planned.map((disk) => (free && disk.role === 'root' ? root : disk))) === sizes(recorded)
    ? 'keep'
    : 'copy'
}

function assertGrows(disk: PlannedDisk, bytes: number): void {
  if (disk.sizeBytes < bytes)
    throw new LodgeError(
      'badRequest',
      `Unable to resize disk down: the ${disk.role} disk has ${bytes} bytes, and would have ${disk.sizeBytes}.`,
    )
}

/** What the guest sees of a qcow2 file, from its header. */
async function virtualSizeOf(file: string): Promise<number> {
  await using handle = await open(file, 'r')
  const header = Buffer.alloc(32)
  const { bytesRead } = await handle.read(header, 0, header.length, 0)
  if (bytesRead < header.length || header.toString('latin1', 0, 4) !== 'QFI\u00fb')
    throw new LodgeError('badRequest', 'The root disk that came is not a qcow2 file')
  return Number(header.readBigUInt64BE(24))
}

/** What is expected in such a directory. */
export async function readArrival(directory: string): Promise<Arrival | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, arrivalName), 'utf8')) as Arrival
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
