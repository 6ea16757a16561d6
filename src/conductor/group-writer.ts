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
const groupSize = 16

/** @param onRollback called when a group has been rolled back, before its pieces are run again */
export function createGroupWriter(store: Store, onRollback: () => void): GroupWriter {
  const queue: Pending[] = []
  let running: Promise<void> | null = null

  async function runAll(): Promise<void> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    while (queue.length > 0) await runGroup(queue.splice(0, groupSize))
    running = null
  }

  async function runGroup(group: Pending[]): Promise<void> {
    const done: (() => void)[] = []
    try {
      await store.transaction(async (trx) => {
        for (const { work, resolve } of group) {
          const value = await work(trx)
          done.push(() => resolve(value))
        }
      })
    } catch (error) {
      onRollback()
      if (group.length === 1) group[0]!.reject(error)
      else for (const piece of group) await runGroup([piece])
      return
    }
    for (const resolve of done) resolve()
  }

  return {
    write: <T>(work: Work<T>) =>
      new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
        running ??= runAll()
      }),
    idle: async () => {
      await running
    },
  }
}
