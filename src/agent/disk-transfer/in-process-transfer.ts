import { LodgeError } from '../../base/errors.ts'
import type { DiskReceiver, DiskTransfer } from '../../contract/disk-transfer.ts'
import { untilCut } from './until-cut.ts'

/** Sends disks between the agents of one process. */
export function createInProcessDiskTransfer(): DiskTransfer {
  const receivers = new Map<string, DiskReceiver>()
  return {
    async serve(host, receiver) {
      receivers.set(host, receiver)
      return async () => {
        if (receivers.get(host) === receiver) receivers.delete(host)
      }
    },
    address: async () => ({ url: null, fingerprint: null }),
    async send(offer, disk, data, signal) {
      const receiver = receivers.get(offer.host)
      if (!receiver)
        throw new LodgeError('unavailable', `Host ${offer.host} cannot be reached for sending disks to it`)
      await receiver.receive({ ...disk, secret: offer.secret }, untilCut(data, signal))
    },
  }
}
