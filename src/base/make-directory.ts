import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it that are not there; `mode` is for all that are made. Node's own recursive
 * mkdir never returns where a file system says ENOENT to what it does not allow, as /proc does.
 * @throws what mkdir throws, such as ENOENT, EACCES, ENOTDIR or EEXIST for what is no directory
 */
export function makeDirectory(path: string, mode?: number): void {
  if (isMade(path, mode)) return
  const parent = dirname(path)
  if (parent !== path) makeDirectory(parent, mode)
  mkdirUnlessThere(path, mode)
}

/** False when something above it is missing. */
function isMade(path: string, mode: number | undefined): boolean {
  try {
    mkdirUnlessThere(path, mode)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

function mkdirUnlessThere(path: string, mode: number | undefined): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    // Of a directory that is there, some file systems say that they are read-only.
    if (codeOf(error) === 'ENOENT' || !isDirectory(path)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code
