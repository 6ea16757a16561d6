import type { ServerImage, ServerSpec } from '../../model/server-spec.ts'
import type { MovingDisks } from './moving-disks.ts'
import type { SharedDisks } from './shared-disks.ts'

/** One disk of a server, as our own record (`disk.info`) has it. The format is never found out by probing. */
export interface ServerDisk {
  /** Absolute path on this host. */
  file: string
  format: 'qcow2' | 'raw'
  role: 'root' | 'ephemeral' | 'swap'
  /** What the guest sees. */
  sizeBytes: number
  /** What a qcow2 overlay stands on; null for a disk that stands by itself. */
  backing: { file: string; format: 'qcow2' | 'raw' } | null
  /** The file system can do without the host's page cache (O_DIRECT), so QEMU is to do so. */
  directIo: boolean
  bus: DiskBus
  /** Name in the domain and, for a guest that counts as we do, in the guest: `vda`, `sda`, `hda`. */
  target: string
}

export type DiskBus = 'virtio' | 'scsi' | 'sata' | 'ide'

export interface ServerDisks {
  /** Root first, then ephemeral, then swap. */
  disks: ServerDisk[]
}

/** How to read a disk that is not (any more) the server's own root file, such as the result of a live copy. */
export interface ExportSource {
  file: string
  format: 'qcow2' | 'raw'
}

/** The disks of this host's servers: files and an image cache, or a stand-in in memory. */
export interface Disks extends MovingDisks, SharedDisks {
  /**
   * Brings the server's disks into being: image in the cache (fetched, checked, inspected), overlay on it,
   * ephemeral and swap disks. Doing it again, also after a run that was cut off, gives the same disks and never
   * touches what a guest has written. `takeFrom`: the server was on that host, which is fenced; its disks become this
   * host's as they are where both see them.
   * @throws LodgeError badRequest when the image is not what it says or does not fit the flavor; notFound when it
   * is gone; conflict when the disks are another host's; internal when a tool failed
   */
  prepare(spec: ServerSpec, signal?: AbortSignal, takeFrom?: string): Promise<ServerDisks>
  /** What `prepare` recorded; undefined when there are no (whole) disks of the server that are this host's. */
  describe(serverId: string): Promise<ServerDisks | undefined>
  /**
   * Writes a flattened copy of the server's root disk to the new file `target`. Nobody may be writing to the
   * disk. With `source` that file is read instead, in the format it is said to have.
   * @throws LodgeError notFound when there is no such disk
   */
  exportRoot(
    serverId: string,
    target: string,
    format: 'qcow2' | 'raw',
    options?: { source?: ExportSource; signal?: AbortSignal },
  ): Promise<void>
  /**
   * Removes all files of the server that are this host's, half-made ones too. Nothing there is success. `returnTo`: the
   * server is that host's. Disks that were taken from it as they were are given back, and not removed.
   */
  remove(serverId: string, returnTo?: string): Promise<void>
  /**
   * Brings the image into the host's cache ahead of its use, where it stays as long as an unused one does.
   * @throws LodgeError as `prepare` for an image
   */
  cacheImage(image: ServerImage, signal?: AbortSignal): Promise<void>
  /**
   * Removes images from the host's cache that no server's disk stands on and that were not used for so long.
   * @throws LodgeError internal when a server's record cannot be read: then nothing is removed
   */
  removeUnusedImages(unusedMs: number): Promise<void>
  /** Ids of the servers that have files here that are this host's, whole or not. */
  list(): Promise<string[]>
  /** @throws LodgeError tooLarge when the file system of temporary files has no more free than is to stay free */
  assertSpareRoom(): Promise<void>
  /** A path for a temporary file on the file system of the disks; `name` is letters, digits, `.`, `_`, `-`. */
  stagingPath(name: string): string
  /** Of the file system that holds the disks. */
  capacity(): Promise<{ totalGiB: number; freeGiB: number }>
  /** Where the domain's serial console is to be logged. */
  consoleLogPath(serverId: string): string
  /**
   * The last 100 KiB of the console over all rotated files, of that the last `length` lines (all when null),
   * without control characters other than tab and newline. Empty when there is no file.
   */
  readConsole(serverId: string, length: number | null): Promise<string>
}
