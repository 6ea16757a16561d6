import { LodgeError } from '../base/errors.ts'
import { migrationAborted } from '../contract/command.ts'
import { createSemaphore } from './semaphore.ts'

/** What was asked of a migration while it is, or before it is, under way. */
export interface MigrationNotes {
  aborted: boolean
  /** `wanted` as long as the memory is not on its way yet. */
  postCopy: 'no' | 'wanted' | 'begun'
}

/** The live migrations out of this host, for as long as the agent lives. */
export interface Migrations {
  /**
   * Runs `work` when it is this migration's turn, so many of them at once. Notes made before it began hold.
   * @throws LodgeError conflict when it was aborted before its turn came; the signal's reason
   */
  inTurn<T>(
    migrationId: string,
    signal: AbortSignal,
    work: (notes: Readonly<MigrationNotes>) => Promise<T>,
  ): Promise<T>
  find(migrationId: string): Readonly<MigrationNotes> | undefined
  noteMigration(migrationId: string, notes: Partial<MigrationNotes>): void
}

/** How many notes on migrations that never began are kept. */
const most = 1000

/** @param parallel how many may run at once */
export function createMigrations(parallel: number): Migrations {
  const turns = createSemaphore(parallel)
  const known = new Map<string, MigrationNotes>()
  const waiting = new Map<string, AbortController>()

  function of(migrationId: string): MigrationNotes {
    let notes = known.get(migrationId)
    if (!notes) {
      notes = { aborted: false, postCopy: 'no' }
      known.set(migrationId, notes)
      const oldest = known.keys().next().value
      if (known.size > most && oldest !== undefined) known.delete(oldest)
    }
    return notes
  }

  return {
    async inTurn(migrationId, signal, work) {
      const notes = of(migrationId)
      const giveUp = new AbortController()
      waiting.set(migrationId, giveUp)
      if (notes.aborted) giveUp.abort(aborted())
      try {
        return await turns.run(AbortSignal.any([signal, giveUp.signal]), () => {
          waiting.delete(migrationId)
          return work(notes)
        })
      } finally {
        waiting.delete(migrationId)
        known.delete(migrationId)
      }
    },
    find: (migrationId) => known.get(migrationId),
    noteMigration(migrationId, notes) {
      Object.assign(of(migrationId), notes)
      if (notes.aborted) waiting.get(migrationId)?.abort(aborted())
    },
  }
}

const aborted = (): LodgeError => new LodgeError('conflict', migrationAborted)
