import { randomUUID } from 'node:crypto'
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { partSuffix, recordPath } from './base-record.ts'

/**
 * Removes the bases in `directory` that were last used before `before` (milliseconds since 1970) and that `isNeeded`
 * does not speak for. Between that question and the moment in which a base has lost its name nobody else gets a turn;
 * a crash leaves a `.part` file, which the next start removes. Returns the names of what is gone.
 */
export async function removeUnusedBases(
  directory: string,
  before: number,
  isNeeded: (key: string) => boolean,
): Promise<string[]> {
  const keys = new Set(
    readdirSync(directory).flatMap((name) => /^([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1] ?? []),
  )
  const removed: string[] = []
  for (const key of keys) {
    const file = join(directory, key)
    const lastUsed = mtimeOf(recordPath(file)) ?? mtimeOf(file) ?? 0
    if (isNeeded(key) || lastUsed >= before) continue
    const doomed = `${file}.${randomUUID()}${partSuffix}`
    const isWhole = renameIfThere(file, doomed)
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

function renameIfThere(from: string, to: string): boolean {
  if (mtimeOf(from) === undefined) return false
  renameSync(from, to)
  return true
}
