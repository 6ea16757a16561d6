import { timingSafeEqual } from 'node:crypto'
import { LodgeError } from '../../base/errors.ts'
import { newSecret } from '../../base/ids.ts'
import type { DiskOffer, DiskReceiver, DiskTransfer } from '../../contract/disk-transfer.ts'
import type { Disks } from '../disk/disks.ts'

/** What this host has promised to take. Lost when the agent stops: a move under way is then begun anew. */
export interface DiskOffers extends DiskReceiver {
  make(serverId: string, flat: boolean): DiskOffer
  /** From here on nothing more is taken for the server. */
  withdraw(serverId: string): void
}

export function createDiskOffers(host: string, disks: Disks, transfer: DiskTransfer): DiskOffers {
  const secrets = new Map<string, string>()

  function check(serverId: string, secret: string): void {
    const known = secrets.get(serverId)
    if (known === undefined || !isSame(known, secret))
      throw new LodgeError(
        'unavailable',
        `Host ${host} does not offer (any more) to take the disks of this server`,
      )
  }

  return {
    make(serverId, flat) {
      const secret = newSecret(32)
      secrets.set(serverId, secret)
      return { host, ...transfer.address(host), secret, flat }
    },
    withdraw: (serverId) => void secrets.delete(serverId),
    async receive(disk, data) {
      const { serverId, secret } = disk
      check(serverId, secret)
      await disks.receive(disk, whileOffered())

      async function* whileOffered(): AsyncIterable<Uint8Array> {
        for await (const chunk of data) {
          check(serverId, secret)
          yield chunk
        }
        check(serverId, secret)
      }
    },
  }
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
