import { LodgeError } from '../../base/errors.ts'
import type { SentDisk } from '../../contract/disk-transfer.ts'

/** One disk's place at an agent that takes disks: what is asked for with PUT. */
export type DiskPlace = Pick<SentDisk, 'serverId' | 'name'> & { host: string }

export const diskPath = ({ host, serverId, name }: DiskPlace): string =>
  `/v1/hosts/${encodeURIComponent(host)}/servers/${encodeURIComponent(serverId)}/disks/${encodeURIComponent(name)}`

/** @throws LodgeError notFound for a path of any other form */
export function readDiskPath(path: string): DiskPlace {
  const parts = /^\/v1\/hosts\/([^/?#]+)\/servers\/([^/?#]+)\/disks\/([^/?#]+)$/.exec(path)
  try {
    const [host, serverId, name] = (parts ?? []).slice(1).map(decodeURIComponent)
    if (host !== undefined && serverId !== undefined && name !== undefined) return { host, serverId, name }
  } catch {
    // Not percent-encoded text: no path of ours.
  }
  throw new LodgeError('notFound', 'Agents take disks of servers here, and nothing else')
}
