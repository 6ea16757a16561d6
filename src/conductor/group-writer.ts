import { LodgeError } from '../base/errors.ts'
import type { Db, Store } from '../store/store.ts'

export type Work<T> = (trx: Db) => Promise<T>

/** Runs pieces of work in the store's transactions. */
export interface GroupWriter {
  /**
   * Runs `work` in a transaction and resolves with its value once that is on disk. What is asked for in one turn of
   * the event loop shares a transaction, and so one flush of the disk. If a piece throws, all of its group are run
   * again, each in a transaction of its own: a piece must therefore change nothing but the database, or be told of
   * the rollback (see `onRollback`).
   *
   * Where a store runs several transactions at once (and gathers their flushes itself), a group would hold the locks
   * of all its pieces until the last is done. There only pieces share a transaction that say that they wait for
   * nobody's locks, and only when more of them wait than there are transactions to begin.
   */
  write<T>(work: Work<T>, options?: { waitsForNoLocks?: boolean }): Promise<T>
  /** Resolves when nothing is left to write. */
  idle(): Promise<void>
}

interface Pending {
  work: Work<unknown>
  waitsForNoLocks: boolean
  resolve(value: unknown): void
  reject(reason: unknown): void
}

/** Pieces of one transaction at most: they run on one connection, and everyone else waits for that long. */
const largestGroup = 16

/**
 * Of a store's connections some stay free for the API.
 * @param onRollback called when a group has been rolled back, before its pieces are run again
 */
export function createGroupWriter(store: Store, onRollback: () => void): GroupWriter {
  const queue: Pending[] = []
  const atOnce = Math.max(1, Math.ceil(store.connections / 2))
  const underWay = new Set<Promise<void>>()
  let isPlanned = false

  /** What is asked for in this turn of the event loop comes into one group. */
  function plan(): void {
    if (isPlanned || underWay.size >= atOnce) return
    isPlanned = true
    setImmediate(() => {
      isPlanned = false
      startGroups()
    })
  }

  function startGroups(): void {
    while (queue.length > 0 && underWay.size < atOnce) {
      const group = runGroup(nextGroup()).then(() => {
        underWay.delete(group)
        startGroups()
      })
      underWay.add(group)
    }
  }

  function nextGroup(): Pending[] {
    if (store.connections === 1) return queue.splice(0, largestGroup)
    const share = Math.min(Math.ceil(queue.length / (atOnce - underWay.size)), largestGroup)
    const other = queue.findIndex((piece) => !piece.waitsForNoLocks)
    return queue.splice(0, Math.max(1, Math.min(share, other === -1 ? share : other)))
  }

  async function runGroup(group: Pending[]): Promise<void> {
    let done: (() => void)[] = []
    let isAgain = false
    try {
      await store.transaction(async (trx) => {
        if (isAgain) onRollback()
        isAgain = true
        done = []
        for (const { work, resolve } of group) {
          const value = await work(trx)
          done.push(() => resolve(value))
        }
      })
    } catch (error) {
      onRollback()
      if (group.length === 1) group[0]!.reject(error)
      // What may be on disk must not be written twice: who asked for it reads again.
      else if (isUndecided(error)) for (const piece of group) piece.reject(error)
      else for (const piece of group) await runGroup([piece])
      return
    }
    for (const resolve of done) resolve()
  }

  return {
    write: <T>(work: Work<T>, { waitsForNoLocks = false } = {}) =>
      new Promise<T>((resolve, reject) => {
        queue.push({ work, waitsForNoLocks, resolve: resolve as (value: unknown) => void, reject })
        plan()
      }),
    idle: async () => {
      while (queue.length > 0 || underWay.size > 0) {
        if (underWay.size > 0) await Promise.race(underWay)
        else await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

const isUndecided = (error: unknown): boolean =>
  error instanceof LodgeError && error.details['outcome'] === 'unknown'
