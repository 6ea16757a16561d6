import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import type { MigrationOutcome } from '../../model/migration-forecast.ts'
import type { DomainJob, DomainMigration } from '../hypervisor.ts'
import type { SimulatedDomain } from './simulated-domain.ts'

/** A simulated host as others reach it. */
export interface SimulatedPeer {
  readonly connected: boolean
  /** Takes a guest over. @throws LodgeError internal when a domain of this id is there */
  receive(migration: DomainMigration, paused: boolean, completed: MigrationOutcome): void
}

/** The simulated hosts that can send guests to each other, by their names. */
export type SimulatedPeers = Map<string, SimulatedPeer>

/** The migrations out of one simulated host. */
export interface SimulatedMigrations {
  /** Ends when the guest has gone, with `leave` called. */
  run(domain: SimulatedDomain, migration: DomainMigration, leave: () => void): Promise<void>
  job(uuid: string): DomainJob | undefined
  abort(uuid: string): void
  /** Ends the copying at once. */
  hurry(uuid: string): void
}

interface Copying {
  total: number
  processed: number
  aborted: boolean
  postCopy: boolean
}

const sliceMs = 10

/** @param durationMs how long the copying takes */
export function createSimulatedMigrations(
  clock: Clock,
  peers: SimulatedPeers,
  connected: () => boolean,
  durationMs: () => number,
): SimulatedMigrations {
  const under = new Map<string, Copying>()

  function peerOf(uri: string): SimulatedPeer {
    const peer = peers.get(uri)
    if (!peer?.connected)
      throw new LodgeError('internal', `operation failed: unable to connect to server at '${uri}'`)
    return peer
  }

  function checkGoesOn(domain: SimulatedDomain, copying: Copying, uri: string): void {
    if (!connected()) throw new LodgeError('unavailable', 'internal error: client socket is closed')
    if (copying.aborted)
      throw new LodgeError('conflict', 'operation aborted: migration out job: canceled by client')
    if (!domain.active) throw new LodgeError('internal', 'operation failed: domain is no longer running')
    peerOf(uri)
  }

  async function copy(domain: SimulatedDomain, copying: Copying, uri: string): Promise<void> {
    const until = clock.now() + durationMs()
    const startedAt = clock.now()
    for (;;) {
      checkGoesOn(domain, copying, uri)
      const now = clock.now()
      if (now >= until) return
      copying.processed = Math.round(copying.total * Math.min(1, (now - startedAt) / (until - startedAt)))
      if (copying.postCopy) return
      await clock.sleep(Math.min(sliceMs, until - now))
    }
  }

  function copyingOf(uuid: string): Copying {
    const copying = under.get(uuid)
    if (!copying)
      throw new LodgeError('conflict', 'Requested operation is not valid: no job is active on the domain')
    return copying
  }

  return {
    async run(domain, migration, leave) {
      if (!domain.active)
        throw new LodgeError('conflict', 'Requested operation is not valid: domain is not running')
      if (under.has(domain.uuid))
        throw new LodgeError('timeout', 'Timed out during operation: cannot acquire state change lock')
      const total = domain.definition.memoryMiB * 2 ** 20
      const copying: Copying = { total, processed: 0, aborted: false, postCopy: false }
      under.set(domain.uuid, copying)
      try {
        const beganAt = clock.now()
        await copy(domain, copying, migration.destinationUri)
        const totalMs = clock.now() - beganAt
        peerOf(migration.destinationUri).receive(migration, domain.paused, {
          totalMs,
          downtimeMs: 0,
          memoryBytes: total,
          diskBytes: 0,
          bytesPerSecond: totalMs > 0 ? (total * 1000) / totalMs : null,
        })
        leave()
      } finally {
        under.delete(domain.uuid)
      }
    },
    job(uuid) {
      const copying = under.get(uuid)
      if (!copying) return undefined
      const { total, processed } = copying
      const nothing = { total: 0, processed: 0, remaining: 0 }
      return {
        operation: 'migration-out',
        memory: { total, processed, remaining: total - processed },
        disk: nothing,
      }
    },
    abort(uuid) {
      copyingOf(uuid).aborted = true
    },
    hurry(uuid) {
      copyingOf(uuid).postCopy = true
    },
  }
}
