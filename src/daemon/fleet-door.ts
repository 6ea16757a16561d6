import { readFileSync } from 'node:fs'
import type { FleetDoor } from '../api/lodge/fleet-door.ts'
import type { Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import { agentClaims, isSignedBy, type FleetKeys } from '../bus/nats-keys.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import type { Revocations } from './revocations.ts'

/** The controller's side of joining: its fleet's keys, and where agents find NATS. */
export function createFleetDoor(options: {
  keys: FleetKeys | undefined
  bus: Config['bus']
  images: ImageTransfer
  incoming: string
  revocations: Revocations
}): FleetDoor {
  const { keys, bus, images, incoming, revocations } = options
  return {
    issue: async (host, publicKey) => {
      if (keys) return agentClaims(keys.accountSeed, host, publicKey)
      throw new LodgeError('conflict', 'This controller has no keys of the fleet: run lodge fleet init.')
    },
    tellRevoked: () => revocations.tell(),
    isSignedBy,
    natsUrl: bus.url ?? '',
    caPem: bus.caFile === null ? null : readFileSync(bus.caFile, 'utf8'),
    images,
    incoming,
  }
}
