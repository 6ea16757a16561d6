import { randomUUID } from 'node:crypto'
import { linkSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { partSuffix, recordPath } from './base-record.ts'

/**
 * Removes the bases in `directory` that were last used before `before` (milliseconds since 1970) and that `isNeeded`
 * does not speak for. Between that question and the moment in which a base has lost its name nobody else in this process
 * gets a turn; another host that begins to use it in this moment has said so before it looks whether the base is there,
 * and gets it back. A crash leaves a `.part` file with the host's `tag`, which its next start removes. Returns the names
 * of what is gone.
 */
export async function removeUnusedBases(
  directory: string,
  tag: string,
  before: number,
  isNeeded: (key: string) => boolean,
): Promise<string[]> {
  const keys = new Set(
    readdirSync(directory).flatMap((name) => /^([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1] ?? []),
  )
  const removed: string[] = []
  for (const key of keys) {
    const file = join(directory, key)
    const lastUsed = (): number => mtimeOf(recordPath(file)) ?? mtimeOf(file) ?? 0
    if (isNeeded(key) || lastUsed() >= before) continue
    const doomed = `${file}.${tag}.${randomUUID()}${partSuffix}`
    const isWhole = renameIfThere(file, doomed)
    if (isWhole && lastUsed() >= before) {
      putBack(doomed, file)
      continue
    }
    rmSync(recordPath(file), { force: true })
    // The blocks of a large file take a while to free.
    await rm(doomed, { force: true })
    if (isWhole) removed.push(key)
  }
  return removed
}

function mtimeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}

/** Unless the image has been fetched again by now. */
function putBack(doomed: string, file: string): void {
  try {
    linkSync(doomed, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  rmSync(doomed)
}

function renameIfThere(from: string, to: string): boolean {
  if (mtimeOf(from) === undefined) return false
  renameSync(from, to)
  return true
}
