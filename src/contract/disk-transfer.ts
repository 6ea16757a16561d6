/** An agent's promise to take a server's disks, once. */
export interface DiskOffer {
  /** The host that offers. */
  host: string
  /** Where to send to; null within one process. */
  url: string | null
  /** SHA-256 of the certificate at the URL, as Node.js writes fingerprints; null within one process. */
  fingerprint: string | null
  /** Proves that the sender was told of the offer by the controller. Good for this server and until it is withdrawn. */
  secret: string
  /** The receiver does not have the image below the root disk: the disk is to be sent as one that stands alone. */
  flat: boolean
  /**
   * The receiver sees the disks of the server where they are. `keep`: they only need to be handed over; `copy`: they are
   * to be copied to where it expects them, without being sent. Nothing or null: they are to be sent.
   */
  shared?: 'keep' | 'copy' | null
}

/** One file on its way. */
export interface SentDisk {
  serverId: string
  secret: string
  /** As in the server's directory: `disk`, `disk.eph0`, `disk.swap`. */
  name: string
  sizeBytes: number
}

/** The receiving side of an agent. */
export interface DiskReceiver {
  /**
   * Takes one file, whole or not at all.
   * @throws LodgeError unavailable when nothing of the kind is offered (any more); badRequest when it is not as long as was said
   */
  receive(disk: SentDisk, data: AsyncIterable<Uint8Array>): Promise<void>
}

/** How disks travel between hosts. In one process: calls; across hosts: HTTPS between the agents. */
export interface DiskTransfer {
  /** Lets the host take disks. Returns how to stop. */
  serve(host: string, receiver: DiskReceiver): Promise<() => Promise<void>>
  /** What an offer of that host says of the way to it. */
  address(host: string): Promise<Pick<DiskOffer, 'url' | 'fingerprint'>>
  /** @throws LodgeError unavailable when the receiver cannot be reached; what the receiver threw */
  send(
    offer: DiskOffer,
    disk: Omit<SentDisk, 'secret'>,
    data: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void>
}
