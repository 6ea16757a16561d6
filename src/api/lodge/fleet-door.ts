import type { ImageTransfer } from '../../contract/image-transfer.ts'

/** What the routes of the fleet need of the controller beside its store. */
export interface FleetDoor {
  /**
   * Claims with which the holder of that key may speak as the host's agent.
   * @throws LodgeError badRequest for what is no such key, conflict when this controller has no keys of the fleet
   */
  issue(host: string, publicKey: string): Promise<string>
  /** Has NATS refuse the keys that are revoked. False when it cannot be told now; it will be. */
  tellRevoked(): Promise<boolean>
  isSignedBy(publicKey: string, message: string, signature: string): boolean
  /** Where agents find NATS, and the certificates that they check it with; null: the system's. */
  natsUrl: string
  caPem: string | null
  images: ImageTransfer
  /** Where uploads of agents are written before they become images. */
  incoming: string
}
