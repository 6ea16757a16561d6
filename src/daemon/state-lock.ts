import { DatabaseSync } from 'node:sqlite'
import { LodgeError, messageOf } from '../base/errors.ts'

/**
 * Holds the state directory for this process. The lock is SQLite's own on a file of its own, so the kernel drops it
 * however the process ends. With `patienceMs` it is waited for that long, blocking: `lodge status` holds it for a
 * moment, to see whether anyone else does.
 * @throws LodgeError conflict when another process holds it, unavailable when the file cannot be used
 */
export function lockState(path: string, patienceMs = 0): { release(): void } {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    database.exec(`PRAGMA busy_timeout = ${patienceMs}; BEGIN EXCLUSIVE`)
  } catch (cause) {
    database?.close()
    if ((cause as { errcode?: number }).errcode === busy)
      throw new LodgeError(
        'conflict',
        `Another Lodge process is using this state directory (${path} is locked).`,
        { cause },
      )
    throw new LodgeError('unavailable', `Cannot lock the state directory with ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
  const held = database
  return { release: () => held.close() }
}

/** SQLITE_BUSY */
const busy = 5

/** Whether a process holds the lock now. */
export function isLocked(path: string): boolean {
  try {
    lockState(path).release()
    return false
  } catch (error) {
    return error instanceof LodgeError && error.kind === 'conflict'
  }
}
