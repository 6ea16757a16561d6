import { isIPv6 } from 'node:net'
import type { Logger } from '../../base/logging.ts'
import type { DiskReceiver, DiskTransfer } from '../../contract/disk-transfer.ts'
import { startDiskServer } from './disk-server.ts'
import { createInProcessDiskTransfer } from './in-process-transfer.ts'
import { sendDisk } from './send-disk.ts'
import { makeTransferCertificate } from './transfer-certificate.ts'

export interface HttpsTransferOptions {
  /** null: every address of the machine. */
  listen: string | null
  /** 0: a free one. */
  port: number
  /** Under which other hosts reach this machine. */
  address: () => Promise<string>
  /** How long the other side may be silent in the middle of a file. */
  idleMs: number
  /** Of one transfer; 0: all there is. */
  bandwidthMiBps: number
  log: Logger
}

/** A listener that is to be closed. */
export interface HttpsDiskTransfer extends DiskTransfer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Sends disks over HTTPS between the agents of different processes, and by calls between those of this one. The
 * receiver is known by the certificate that its offer names, the sender by the offer's secret.
 * @throws LodgeError unavailable without `openssl`, and when the port cannot be listened on
 */
export async function openHttpsTransfer(options: HttpsTransferOptions): Promise<HttpsDiskTransfer> {
  const { idleMs, bandwidthMiBps, log } = options
  const certificate = await makeTransferCertificate()
  const receivers = new Map<string, DiskReceiver>()
  const inProcess = createInProcessDiskTransfer()
  const server = await startDiskServer({
    listen: options.listen,
    port: options.port,
    certificate,
    idleMs,
    receiverOf: (host) => receivers.get(host),
    log,
  })
  return {
    port: server.port,
    async serve(host, receiver) {
      receivers.set(host, receiver)
      const stop = await inProcess.serve(host, receiver)
      return async () => {
        if (receivers.get(host) === receiver) receivers.delete(host)
        await stop()
      }
    },
    async address() {
      const address = await options.address()
      const shown = isIPv6(address) ? `[${address}]` : address
      return { url: `https://${shown}:${server.port}`, fingerprint: certificate.fingerprint }
    },
    async send(offer, disk, data, signal) {
      const { url, fingerprint } = offer
      const isElsewhere = url !== null && fingerprint !== null && fingerprint !== certificate.fingerprint
      if (!isElsewhere) return await inProcess.send(offer, disk, data, signal)
      const to = { ...offer, url, fingerprint }
      await sendDisk({ offer: to, disk, data, signal, idleMs, bandwidthMiBps })
    },
    close: () => server.close(),
  }
}
