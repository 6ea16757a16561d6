import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readLabRecord } from './lab-record.ts'
import { isAlive, killAndWait, waitFor } from './processes.ts'

/**
 * Ends the lab that the directory's record names, running or left over from a crash, and removes what it kept:
 * processes, namespaces, control groups and files. Files that are not the lab's stay. Does nothing without a record.
 */
export async function sweepLab(directory: string): Promise<void> {
  const record = readLabRecord(directory)
  if (!record) return
  const { init, keeper } = record
  // All processes and namespaces of all hosts are below this one.
  if (init) await killAndWait(init)
  if (keeper) await waitFor(() => !isAlive(keeper), 30_000, 'the lab to end')
  // Again, since the keeper may have been killed before it came to that.
  const script = join(import.meta.dirname, 'control-groups.sh')
  await promisify(execFile)('bash', [script, 'remove', record.group], { timeout: 30_000 })

  for (const name of readdirSync(directory).filter((entry) => /^(host\d+|cloud)$/.test(entry)))
    rmSync(join(directory, name), { recursive: true, force: true })
  rmSync(join(directory, 'lab.log'), { force: true })
  // Last: with it, a sweep that was interrupted can be done again.
  rmSync(join(directory, 'lab.json'), { force: true })
  if (existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory)
}
