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
   */
  write<T>(work: Work<T>): Promise<T>
  /** Resolves when nothing is left to write. */
  idle(): Promise<void>
}

interface Pending {
  work: Work<unknown>
  resolve(value: unknown): void
  reject(reason: unknown): void
}

/** Pieces of one transaction at most: they run on one connection, and everyone else waits for that long. */
const largestGroup = 16

/**
 * Where a store runs several transactions at once (and gathers their flushes itself), each piece gets one of its own:
 * a group would hold the locks of all its pieces until the last is done. Some connections stay free for the API.
 * @param onRollback called when a group has been rolled back, before its pieces are run again
 */
export function createGroupWriter(store: Store, onRollback: () => void): GroupWriter {
  const queue: Pending[] = []
  const groupSize = store.connections > 1 ? 1 : largestGroup
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
      const group = runGroup(queue.splice(0, groupSize)).then(() => {
        underWay.delete(group)
        startGroups()
      })
      underWay.add(group)
    }
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
    write: <T>(work: Work<T>) =>
      new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
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
