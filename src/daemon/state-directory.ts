import { chmodSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LodgeError, messageOf } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'

/** Where things lie in the state directory. */
export interface StateDirectory {
  root: string
  database: string
  lock: string
  /** Data of the image service. */
  images: string
  cloudsFile: string
  /** Who this controller's conductor was at its last start. */
  conductorIdFile: string
  /** The host's own part: journal, image cache, servers' disks. */
  agent: string
  journal: string
  hostIdFile: string
}

/** The layout below `root`, as absolute paths. Makes nothing. */
export function stateDirectory(root: string): StateDirectory {
  const at = (...names: string[]): string => join(resolve(root), ...names)
  return {
    root: at(),
    database: at('lodge.db'),
    lock: at('lock.db'),
    images: at('images'),
    cloudsFile: at('clouds.yaml'),
    conductorIdFile: at('conductor-id'),
    agent: at('agent'),
    journal: at('agent', 'journal.db'),
    hostIdFile: at('agent', 'host-id'),
  }
}

/**
 * Makes the directories that are not there. QEMU runs as a user of its own and must be able to pass through to a
 * server's disk, so `root` and `agent` may be passed (0711) but not listed; image data stays private (0700).
 * @throws LodgeError badRequest when a directory cannot be made
 */
export function makeStateDirectory(state: StateDirectory): void {
  try {
    for (const [path, mode] of [
      [state.root, 0o711],
      [state.agent, 0o711],
      [state.images, 0o700],
    ] as const) {
      makeDirectory(path)
      chmodSync(path, mode)
    }
  } catch (error) {
    throw new LodgeError('badRequest', `Cannot use ${state.root} as state directory: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
