import { DatabaseSync } from 'node:sqlite'
import { LodgeError } from '../base/errors.ts'

/**
 * Holds the state directory for this process. The lock is SQLite's own on a file of its own, so the kernel drops it
 * however the process ends.
 * @throws LodgeError conflict when another process holds it
 */
export function lockState(path: string): { release(): void } {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw new LodgeError(
      'conflict',
      `Another Lodge process is using this state directory (${path} is locked).`,
      {
        cause: error,
      },
    )
  }
  return { release: () => database.close() }
}

/** Whether a process holds the lock now. */
export function isLocked(path: string): boolean {
  try {
    lockState(path).release()
    return false
  } catch {
    return true
  }
}
