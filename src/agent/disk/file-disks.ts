import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs'
import { access, chmod, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import type { Logger } from '../../base/logging.ts'
import { assertSpareRoom, freeBytes, type FreeBytes } from '../../base/spare-room.ts'
import type { ImageTransfer } from '../../contract/image-transfer.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { readConsoleLog } from './console-log.ts'
import { planDisks, type PlannedDisk } from './disk-plan.ts'
import { diskRecordName, readDiskRecord, writeDiskRecord } from './disk-record.ts'
import type { Disks, ServerDisks } from './disks.ts'
import { checkedServerId, checkedStagingName, hostTag, isServerId } from './names.ts'
import { createImageCache, type BaseImage } from './image-cache.ts'
import { createMovingFileDisks, incomingOf } from './moving-file-disks.ts'
import { readOwnerMark, writeOwnerMark } from './owner-mark.ts'
import { createOwnership } from './ownership.ts'
import { createSharedFileDisks } from './shared-file-disks.ts'
import { createImageTool, type RunProgram, type ToolLimits } from './image-tool.ts'

export interface FileDisksOptions {
  /** Holds `servers/`, `images/` and `staging/`. Absolute. */
  directory: string
  /** This host, as commands are addressed to it. */
  host: string
  /** Other hosts' agents may work in the directory, too. */
  shared?: boolean
  images: ImageTransfer
  clock: Clock
  log: Logger
  toolLimits: ToolLimits
  /** Kept free when disks are copied into images; nothing when absent. */
  reserveMiB?: number
  /** Tests have disks of their own making. */
  freeBytes?: FreeBytes
  /** How programs are run; tests count them. */
  runProgram?: RunProgram
}

/** QEMU, which is another user, must get through to its files; nobody needs to list them. */
const directoryMode = 0o711

/**
 * Disks as files below one directory: `servers/<id>/` has a server's disks under Nova's names with our record of
 * them, the mark of the host whose they are, and the console's log; `images/` the bases that overlays stand on, `staging/`
 * what is on its way out. What an earlier process of this host left half-done in `images/` and `staging/` is removed.
 */
export function createFileDisks(options: FileDisksOptions): Disks {
  const { host, shared = false } = options
  const at = (...names: string[]): string => join(options.directory, ...names)
  const [servers, images] = [at('servers'), at('images')]
  const staging = shared ? at('staging', hostTag(host)) : at('staging')
  for (const directory of [servers, images, staging])
    mkdirSync(directory, { recursive: true, mode: directoryMode })
  for (const name of readdirSync(staging)) rmSync(join(staging, name), { recursive: true, force: true })

  const directIo = canDoDirectIo(join(staging, 'direct-io'))
  const tool = createImageTool(options.toolLimits, options.runProgram)
  const cache = createImageCache({ ...options, directory: images, alone: !shared, tool })
  const ownership = createOwnership({ host, alone: !shared, staging, mode: directoryMode })
  const directoryOf = (serverId: string): string => join(servers, checkedServerId(serverId))
  const consoleLogPath = (serverId: string): string => join(directoryOf(serverId), 'console.log')

  const describe = async (serverId: string): Promise<ServerDisks | undefined> => {
    const directory = directoryOf(serverId)
    if (!(await ownership.isOurs(directory))) return undefined
    const recorded = await readDiskRecord(directory)
    if (!recorded || (await missingOf(directory, recorded)).length > 0) return undefined
    return placed(directory, directIo, recorded)
  }

  const common = {
    host,
    directory: servers,
    directoryOf,
    placed: (directory: string, disks: PlannedDisk[]) => placed(directory, directIo, disks),
    ownership,
    cache,
  }
  const moving = createMovingFileDisks({ ...common, make, tool })
  const sharing = createSharedFileDisks({ ...common, shared, outgoing: moving.outgoing })

  return {
    ...moving,
    ...sharing,
    consoleLogPath,

    async prepare(spec, signal, takeFrom) {
      const directory = directoryOf(spec.id)
      if (takeFrom !== undefined) await takeOver(directory, takeFrom)
      const recorded = (await ownership.isOurs(directory)) ? await readDiskRecord(directory) : undefined
      if (recorded) {
        const whole = await assertWhole(directory, directIo, recorded, spec)
        return takeFrom === undefined ? whole : await sharing.expectGuest(spec, signal)
      }
      const makeAll = async (base: BaseImage): Promise<PlannedDisk[]> => {
        const planned = planDisks(spec, base)
        await ownership.make(directory)
        // No record, so no guest has ever run on what is there: it is made anew.
        for (const disk of planned) await make(directory, disk, base, signal)
        await writeDiskRecord(directory, planned)
        return planned
      }
      const planned = await cache.use(spec.image, spec.flavor.rootGiB * 2 ** 30, makeAll, signal)
      return placed(directory, directIo, planned)
    },

    cacheImage: (image, signal) => cache.use(image, 0, async () => {}, signal),

    removeUnusedImages: (unusedMs) => cache.removeUnused(unusedMs, namedBases),

    describe,

    async exportRoot(serverId, target, format, { source, signal } = {}) {
      const root = source ?? (await describe(serverId))?.disks.find(({ role }) => role === 'root')
      if (!root) throw new LodgeError('notFound', `This host has no disk of the server ${serverId}.`)
      try {
        await tool.convert(root, { file: target, format }, { trusted: true, signal })
        await chmod(target, 0o600)
      } catch (thrown) {
        await rm(target, { force: true })
        throw thrown
      }
    },

    async remove(serverId, returnTo) {
      const directory = directoryOf(serverId)
      if (await ownership.isOurs(directory)) {
        const mark = await readOwnerMark(directory)
        if (returnTo !== undefined && mark?.takenFrom === returnTo)
          await writeOwnerMark(directory, { host: returnTo })
        else await removeDirectory(directory)
      }
      await moving.forgetAside(serverId)
      if (await ownership.isOurs(incomingOf(directory))) await removeDirectory(incomingOf(directory))
    },

    async list() {
      const ids = await listAll()
      const ours = await Promise.all(ids.map((id) => ownership.isOurs(directoryOf(id))))
      return ids.filter((_, index) => ours[index])
    },

    assertSpareRoom: () =>
      assertSpareRoom(staging, options.reserveMiB ?? 0, 0, options.freeBytes ?? freeBytes),

    stagingPath: (name) => join(staging, checkedStagingName(name)),

    async capacity() {
      const { blocks, bavail, bsize } = await statfs(servers)
      const gib = (count: number): number => Math.floor((count * bsize) / 2 ** 30)
      return { totalGiB: gib(blocks), freeGiB: gib(bavail) }
    },

    readConsole: (serverId, length) => readConsoleLog(consoleLogPath(serverId), length),
  }

  /** Also from a host that had them for an evacuation that came to nothing. */
  async function takeOver(directory: string, from: string): Promise<void> {
    const mark = await readOwnerMark(directory)
    if (mark && mark.host !== host && (mark.host === from || mark.takenFrom === from))
      await writeOwnerMark(directory, { host, takenFrom: from })
  }

  /** Of all hosts that work in the directory. */
  async function listAll(): Promise<string[]> {
    const entries = await readdir(servers, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory() && isServerId(entry.name)).map(({ name }) => name)
  }

  /** What the disks of all servers here stand on. @throws LodgeError internal when a record cannot be read */
  async function namedBases(): Promise<Set<string>> {
    const named = new Set<string>()
    const present = await listAll()
    // Those of other hosts, too. Disks that were put aside may be wanted back.
    const directories = present.map(directoryOf).concat(await moving.asides())
    for (const directory of directories) {
      const recorded = await readDiskRecord(directory)
      if (!recorded && existsSync(join(directory, diskRecordName)))
        throw new LodgeError('internal', `The disk record ${join(directory, diskRecordName)} is not readable`)
      for (const { backing } of recorded ?? []) if (backing) named.add(backing.file)
    }
    return named
  }

  async function make(
    directory: string,
    disk: PlannedDisk,
    base: BaseImage,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const part = join(directory, `${disk.name}.part`)
    await rm(part, { force: true })
    if (disk.role === 'root') await tool.createOverlay(part, base, disk.sizeBytes, signal)
    else {
      {
        await using file = await open(part, 'wx', 0o600)
        await file.truncate(disk.sizeBytes)
      }
      if (disk.role === 'swap') await tool.formatSwap(part, signal)
      else await tool.formatExt4(part, 'ephemeral0', signal)
    }
    await chmod(part, 0o600)
    await rename(part, join(directory, disk.name))
  }
}

/** The record goes first: disks without one are half of something, and never taken for all. */
async function removeDirectory(directory: string): Promise<void> {
  await rm(join(directory, diskRecordName), { force: true })
  await rm(directory, { recursive: true, force: true })
}

const placed = (directory: string, directIo: boolean, disks: PlannedDisk[]): ServerDisks => ({
  disks: disks.map(({ name, ...disk }) => ({ ...disk, directIo, file: join(directory, name) })),
})

/** Not every file system can, and an option that it does not have would keep every guest from starting. */
function canDoDirectIo(probe: string): boolean {
  try {
    closeSync(openSync(probe, constants.O_CREAT | constants.O_RDWR | constants.O_DIRECT, 0o600))
    return true
  } catch {
    return false
  } finally {
    rmSync(probe, { force: true })
  }
}

async function missingOf(directory: string, disks: PlannedDisk[]): Promise<string[]> {
  const missing = await Promise.all(
    disks.map(({ name }) =>
      access(join(directory, name)).then(
        () => [],
        () => [name],
      ),
    ),
  )
  return missing.flat()
}

/** A disk that was there is not made again: the guest would wake up on an empty one, and nobody would know. */
async function assertWhole(
  directory: string,
  directIo: boolean,
  disks: PlannedDisk[],
  spec: ServerSpec,
): Promise<ServerDisks> {
  const missing = await missingOf(directory, disks)
  if (missing.length > 0)
    throw new LodgeError(
      'conflict',
      `The server ${spec.id} has lost disks on this host: ${missing.join(', ')}.`,
      {
        details: { directory },
      },
    )
  return placed(directory, directIo, disks)
}
