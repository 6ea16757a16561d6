import type { ServerSpec } from '../../model/server-spec.ts'
import type { SentDisk } from '../../contract/disk-transfer.ts'
import type { ServerDisks } from './disks.ts'

/** One file of a server as it is sent to another host. */
export interface OutgoingDisk {
  name: string
  sizeBytes: number
  open(): AsyncIterable<Uint8Array>
}

/**
 * Disks on their way between hosts. At the source they are put aside, where nothing can start on them, until the move
 * is confirmed or taken back. At the destination they arrive beside the server's place, and become the server's when
 * they are whole. All of it may be repeated.
 */
export interface MovingDisks {
  /**
   * Makes room for disks that are to come with this migration, and fetches the image below the root disk. `flat`: the
   * image is gone, so that the disk must come as one that stands alone.
   */
  expect(spec: ServerSpec, migrationId: string, signal: AbortSignal): Promise<{ flat: boolean }>
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
  /** The migration whose disks are here and wait to be adopted. */
  arrivalOf(serverId: string): Promise<string | undefined>
  /** Whether the server's disks here came with this migration. */
  cameWith(serverId: string, migrationId: string): Promise<boolean>
  /** Removes what that migration brought, whole or not; disks that came otherwise stay. */
  discard(serverId: string, migrationId: string): Promise<void>
  /** The server has no disks here from now on, but they are kept. @throws LodgeError notFound when there are none */
  putAside(serverId: string): Promise<void>
  /** Disks that were put aside are the server's again. False when there are none. */
  putBack(serverId: string): Promise<boolean>
  forgetAside(serverId: string): Promise<void>
  /** The files of disks that were put aside. `flat`: the root disk without what it stands on. */
  outgoing(serverId: string, flat: boolean, signal: AbortSignal): Promise<OutgoingDisk[]>
}
