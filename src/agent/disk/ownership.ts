import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'
import { readOwnerMark, writeOwnerMark } from './owner-mark.ts'

/** What this host may do with directories that other hosts may see, too. */
export interface Ownership {
  /** Whether there is such a directory, and it is this host's. */
  isOurs(directory: string): Promise<boolean>
  /** The other host whose it is; undefined when there is no such directory, or none of another's. */
  otherOwner(directory: string): Promise<string | undefined>
  /**
   * Makes the directory, this host's from its first moment on. One that is there already stays as it is.
   * @throws LodgeError conflict when it is another host's
   */
  make(directory: string): Promise<void>
}

export interface OwnershipOptions {
  /** This host, as commands are addressed to it. */
  host: string
  /** No other host sees the directories: they are this host's whatever it is called by now. */
  alone: boolean
  /** Where directories are made before they get their place; on the same file system, and this host's alone. */
  staging: string
  mode: number
}

export function createOwnership({ host, alone, staging, mode }: OwnershipOptions): Ownership {
  async function ownerOf(directory: string): Promise<string | undefined> {
    if (alone) return existsSync(directory) ? host : undefined
    return (await readOwnerMark(directory))?.host
  }

  const ownership: Ownership = {
    isOurs: async (directory) => (await ownerOf(directory)) === host,
    async otherOwner(directory) {
      const owner = await ownerOf(directory)
      return owner === host ? undefined : owner
    },
    async make(directory) {
      if (await ownership.isOurs(directory)) return
      const fresh = join(staging, `directory-${randomUUID()}`)
      await mkdir(fresh, { mode })
      try {
        await writeOwnerMark(fresh, { host })
        await rename(fresh, directory)
      } catch (error) {
        await rm(fresh, { recursive: true, force: true })
        if (!isTaken(error)) throw error
        if (!(await ownership.isOurs(directory))) throw await notOurs(directory)
      }
    },
  }

  async function notOurs(directory: string): Promise<LodgeError> {
    const owner = await ownerOf(directory)
    return new LodgeError(
      'conflict',
      owner === undefined
        ? `Nothing says whose the disks in ${directory} are; they are left alone.`
        : `The disks of the server are those of host ${owner}, on storage that host ${host} sees as well.`,
      { details: { directory } },
    )
  }
  return ownership
}

const isTaken = (error: unknown): boolean =>
  ['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')
