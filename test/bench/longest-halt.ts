import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../support/until.ts'

const probe = join(import.meta.dirname, 'loop-probe.ts')

/** Flags of Node and environment for a process whose event loop is to be watched; what it says goes to `file`. */
export const watchedLoop = (file: string): { nodeFlags: string[]; env: Record<string, string> } => ({
  nodeFlags: ['--import', probe],
  env: { LODGE_LOOP_PROBE: file },
})

/** The longest halt of a watched process's event loop since it was last asked, ms. */
export async function longestHalt(pid: number, file: string): Promise<number> {
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  const text = await until(
    'the probe to answer',
    10_000,
    () => existsSync(file) && readFileSync(file, 'utf8'),
    20,
  )
  return Number(text)
}

/** A process that does nothing but being watched: what this machine itself does to an event loop. */
export function startIdleLoop(file: string): ChildProcess {
  const { nodeFlags, env } = watchedLoop(file)
  const words = [...nodeFlags, '--eval', 'setInterval(() => {}, 1000)']
  return spawn(process.execPath, words, { env: { ...process.env, ...env }, stdio: 'ignore' })
}
