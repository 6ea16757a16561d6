import type { ServerSpec } from '../../model/server-spec.ts'
import type { SentDisk } from '../../contract/disk-transfer.ts'
import type { ServerDisks } from './disks.ts'

/** One file of a server as it is sent to another host. */
export interface OutgoingDisk {
  name: string
  /** Where it is a file. */
  file?: string
  sizeBytes: number
  open(): AsyncIterable<Uint8Array>
}

export interface Expected {
  /** The image is gone, so that the root disk must come as one that stands alone. */
  flat: boolean
  /**
   * The disks lie on storage that this host sees as well. `keep`: they fit the flavor as they are, and need only be
   * handed over; `copy`: the flavor changes them, and the ones there are must be kept until the move is confirmed.
   */
  shared: 'keep' | 'copy' | null
}

/**
 * Disks on their way between hosts. At the source they are put aside, where nothing can start on them, until the move
 * is confirmed or taken back. At the destination they arrive beside the server's place, and become the server's when
 * they are whole. All of it may be repeated.
 */
export interface MovingDisks {
  /**
   * Makes room for disks that are to come with this migration, and fetches the image below the root disk.
   */
  expect(spec: ServerSpec, migrationId: string, signal: AbortSignal): Promise<Expected>
  /** Writes one file of what is expected. @throws LodgeError badRequest for a name or a length that does not fit */
  receive(
    disk: Pick<SentDisk, 'serverId' | 'name' | 'sizeBytes'>,
    data: AsyncIterable<Uint8Array>,
  ): Promise<void>
  /**
   * What has arrived with this migration becomes the server's disks: grown to the flavor, never shrunk; what the old
   * flavor had not is made.
   * @throws LodgeError notFound when nothing has arrived; badRequest when a disk would have to shrink
   */
  adopt(spec: ServerSpec, migrationId: string, signal: AbortSignal): Promise<ServerDisks>
  /** Servers for which this host made room, or whose disks have come; until they are adopted or discarded. */
  arrivals(): Promise<string[]>
  /** The migration whose disks are here and wait to be adopted. */
  arrivalOf(serverId: string): Promise<string | undefined>
  /** Whether the server's disks here came with this migration. */
  cameWith(serverId: string, migrationId: string): Promise<boolean>
  /**
   * Removes what that migration brought, whole or not; disks that came otherwise stay. Those that only changed hands go
   * back to the host they came from.
   */
  discard(serverId: string, migrationId: string): Promise<void>
  /** The server has no disks here from now on, but they are kept. @throws LodgeError notFound when there are none */
  putAside(serverId: string): Promise<void>
  /** Disks that were put aside, or handed over, are the server's again. False when there are none. */
  putBack(serverId: string): Promise<boolean>
  forgetAside(serverId: string): Promise<void>
  /** The files of disks that were put aside. `flat`: the root disk without what it stands on. */
  outgoing(serverId: string, flat: boolean, signal: AbortSignal): Promise<OutgoingDisk[]>
}
