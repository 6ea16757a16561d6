import { createReadStream } from 'node:fs'
import { access, chmod, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { planDisks, type PlannedDisk } from './disk-plan.ts'
import { arrivedWith, diskRecordName, readDiskRecord, writeDiskRecord } from './disk-record.ts'
import type { ServerDisks } from './disks.ts'
import type { BaseImage, ImageCache } from './image-cache.ts'
import type { ImageTool } from './image-tool.ts'
import type { MovingDisks } from './moving-disks.ts'
import { writeSparse } from './write-sparse.ts'

export interface MovingFileDisksOptions {
  /** Of all servers' disks. */
  directory: string
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
const arrivalName = 'arrival.json'
/** What may be sent. */
const diskNames = new Set(['disk', 'disk.eph0', 'disk.swap'])
/** The flattened root disk on its way out. */
const flatName = 'disk.flat'
const directoryMode = 0o711

/** Moving disks as directories beside the server's own: `<id>_incoming` and, under Nova's name, `<id>_resize`. */
export function createMovingFileDisks(
  options: MovingFileDisksOptions,
): MovingDisks & { /** Directories of disks that were put aside. */ asides(): Promise<string[]> } {
  const { directoryOf, cache, tool } = options
  const incomingOf = (serverId: string): string => `${directoryOf(serverId)}_incoming`
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

  return {
    async asides() {
      const names = await readdir(options.directory)
      return names.filter((name) => name.endsWith(asideSuffix)).map((name) => join(options.directory, name))
    },

    async expect(spec, migrationId, signal) {
      const directory = incomingOf(spec.id)
      await rm(directory, { recursive: true, force: true })
      const flat = !(await hasBase(spec, signal))
      await mkdir(directory, { recursive: true, mode: directoryMode })
      const arrival: Arrival = { migrationId, flat }
      await writeFile(join(directory, arrivalName), JSON.stringify(arrival), { mode: 0o600 })
      return { flat: arrival.flat }
    },

    async receive({ serverId, name, sizeBytes }, data) {
      if (!diskNames.has(name)) throw new LodgeError('badRequest', 'There is no disk of such a name')
      const path = join(incomingOf(serverId), name)
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
      const incoming = incomingOf(spec.id)
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

    async arrivalOf(serverId) {
      const incoming = incomingOf(serverId)
      return (await exists(join(incoming, 'disk'))) ? (await readArrival(incoming))?.migrationId : undefined
    },

    cameWith: async (serverId, migrationId) => (await arrivedWith(directoryOf(serverId))) === migrationId,

    async discard(serverId, migrationId) {
      const incoming = incomingOf(serverId)
      const arrival = await readArrival(incoming)
      const whole = await arrivedWith(incoming)
      if (arrival?.migrationId === migrationId || whole === migrationId)
        await rm(incoming, { recursive: true, force: true })
      const directory = directoryOf(serverId)
      if ((await arrivedWith(directory)) === migrationId)
        await rm(directory, { recursive: true, force: true })
    },

    async putAside(serverId) {
      const [directory, aside] = [directoryOf(serverId), asideOf(serverId)]
      if (await readDiskRecord(aside)) return
      if (!(await readDiskRecord(directory)))
        throw new LodgeError('notFound', `This host has no disks of the server ${serverId}.`)
      await rm(aside, { recursive: true, force: true })
      await rename(directory, aside)
    },

    async putBack(serverId) {
      const [directory, aside] = [directoryOf(serverId), asideOf(serverId)]
      if (!(await readDiskRecord(aside))) return false
      if (await readDiskRecord(directory))
        throw new LodgeError('conflict', `The server ${serverId} has other disks on this host by now.`)
      await rm(directory, { recursive: true, force: true })
      await rm(join(aside, flatName), { force: true })
      await rename(aside, directory)
      return true
    },

    async forgetAside(serverId) {
      const aside = asideOf(serverId)
      await rm(join(aside, diskRecordName), { force: true })
      await rm(aside, { recursive: true, force: true })
    },

    async outgoing(serverId, flat, signal) {
      const aside = asideOf(serverId)
      const recorded = await readDiskRecord(aside)
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
            sizeBytes: size,
            open: () => createReadStream(file, { highWaterMark: 2 ** 20, signal }),
          }
        }),
      )
    },
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

async function readArrival(directory: string): Promise<Arrival | undefined> {
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
