import { createHash, timingSafeEqual } from 'node:crypto'
import { LodgeError } from '../../base/errors.ts'
import { newSecret } from '../../base/ids.ts'
import type { DiskOffer, DiskReceiver, DiskTransfer } from '../../contract/disk-transfer.ts'
import type { Disks } from '../disk/disks.ts'
import { untilCut } from './until-cut.ts'

/** What this host has promised to take. Lost when the agent stops: a move under way is then begun anew. */
export interface DiskOffers extends DiskReceiver {
  make(serverId: string, flat: boolean): Promise<DiskOffer>
  /** From here on nothing more is taken for the server; what was being taken has ended when this returns. */
  withdraw(serverId: string): Promise<void>
}

interface Offered {
  secret: string
  /** Ends what is being taken. */
  cut: AbortController
  /** Settles when nothing is being taken. */
  idle: Promise<void>
}

export function createDiskOffers(host: string, disks: Disks, transfer: DiskTransfer): DiskOffers {
  const offers = new Map<string, Offered>()

  const notOffered = (): LodgeError =>
    new LodgeError('unavailable', `Host ${host} does not offer (any more) to take the disks of this server`)

  async function withdraw(serverId: string): Promise<void> {
    const offered = offers.get(serverId)
    offers.delete(serverId)
    offered?.cut.abort(notOffered())
    await offered?.idle
  }

  return {
    async make(serverId, flat) {
      await withdraw(serverId)
      const secret = newSecret(32)
      offers.set(serverId, { secret, cut: new AbortController(), idle: Promise.resolve() })
      return { host, ...(await transfer.address(host)), secret, flat }
    },
    withdraw,
    async receive(disk, data) {
      const { serverId, secret } = disk
      const offered = offers.get(serverId)
      if (offered === undefined || !isSame(offered.secret, secret)) throw notOffered()
      // A sender has one file under way. If it comes again it has lost the connection, which may not show here yet.
      offered.cut.abort(new LodgeError('conflict', 'The sender has come again with this disk'))
      const cut = (offered.cut = new AbortController())
      const taken = offered.idle.then(() => {
        cut.signal.throwIfAborted()
        return disks.receive(disk, untilCut(data, cut.signal))
      })
      offered.idle = taken.catch(() => {})
      await taken
    },
  }
}

/** In a time that does not tell how much of it is right, nor how long it is. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(left!, right!)
}
