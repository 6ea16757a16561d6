import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from './disks.ts'

/**
 * Disks on storage that several hosts see. They belong to one host at a time, by a mark beside them, and no other starts
 * a guest on them, changes them or removes them. Where a server changes its host, the mark does.
 */
export interface SharedDisks {
  /** Other hosts may see the disks here. */
  readonly shared: boolean
  /** Leaves a file where the disks of servers are, by which another host finds out whether it sees the same. */
  leaveProbe(name: string): Promise<string>
  /** Whether this host sees the file that another has left at `path`, as its own of that name. */
  seesProbe(name: string, path: string): Promise<boolean>
  removeProbe(name: string): Promise<void>
  /**
   * What a guest that comes here alive finds: disks that are another host's still, with the image that they stand on
   * fetched where this host does not see it.
   * @throws LodgeError notFound when this host sees no whole disks of the server
   */
  expectGuest(spec: ServerSpec, signal?: AbortSignal): Promise<ServerDisks>
  /** The disks are this host's from now on: its guest runs on them. Without disks here nothing happens. */
  take(serverId: string): Promise<void>
  /** The disks, if they are this host's, are another's from now on: its guest has gone there. */
  give(serverId: string, to: string): Promise<void>
  /** Of these servers those whose disks are here and belong to another host. */
  lost(serverIds: readonly string[]): Promise<string[]>
  /** Whether what another host has made ready for that migration is seen from here. */
  seesArrival(serverId: string, migrationId: string): Promise<boolean>
  /** Gives the disks, which nobody uses now, to the host that they move to. To be done by their owner, and repeatable. */
  handOver(serverId: string, to: string, migrationId: string): Promise<void>
  /** Copies what was put aside into what the other host expects, for a move that changes the disks. */
  copyAside(serverId: string, flat: boolean, signal: AbortSignal): Promise<void>
}
