import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { LodgeError } from '../base/errors.ts'
import type { LabService } from './lab.ts'
import { childrenOf, killAndWait, markOf } from './processes.ts'

/**
 * The handle of a program that keep-running.sh keeps running under that name, as a child of a namespace's process 1.
 * `init` gives that process; undefined when it is gone.
 */
export function labService(name: string, init: () => number | undefined): LabService {
  const find = (): number | undefined => {
    const parent = init()
    const keeper = parent === undefined ? undefined : childrenOf(parent).find(({ pid }) => keeps(pid, name))
    return keeper && childrenOf(keeper.pid)[0]?.pid
  }
  const need = (): number => {
    const pid = find()
    if (pid !== undefined) return pid
    throw new LodgeError('conflict', `${name} does not run; what was killed runs again within two seconds`)
  }
  return {
    name,
    pid: find,
    signal: (signal) => void process.kill(need(), signal),
    kill: async () => {
      const mark = markOf(need())
      if (mark) await killAndWait(mark)
    },
  }
}

/** Says what keep-running.sh is to run, from its next look at the file on. */
export function writeServiceFile(file: string, words: string[]): void {
  const half = `${file}.new`
  writeFileSync(half, words.map((word) => `${word}\n`).join(''), { mode: 0o600 })
  renameSync(half, file)
}

/** Whether the process is a keep-running.sh of that name. */
function keeps(pid: number, name: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return (words[1] ?? '').endsWith('/keep-running.sh') && words[2] === name
  } catch {
    return false // it has just ended
  }
}
