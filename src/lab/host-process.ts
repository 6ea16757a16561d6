import { execFile, spawn, type StdioOptions } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { HostProcess } from './lab.ts'
import { childrenOf } from './processes.ts'

/** Runs a program in the namespaces of the host whose process 1 is `pid`. See LabHost.exec. */
export async function execOnHost(
  pid: number,
  name: string,
  words: string[],
  timeout: number,
): Promise<{ stdout: string; stderr: string }> {
  const [program = '', ...rest] = enter(pid, words)
  try {
    return await promisify(execFile)(program, rest, { timeout, maxBuffer: 64 << 20 })
  } catch (error) {
    const { killed, code, stderr, stdout } = error as ExecFailure
    if (killed)
      throw new LodgeError('timeout', `${name}: ${words.join(' ')} did not end within ${timeout} ms`, {
        cause: error,
        details: { stdout, stderr },
      })
    const why = stderr?.trim() || messageOf(error)
    throw new LodgeError('unavailable', `${name}: ${words.join(' ')} failed (${code}): ${why}`, {
      cause: error,
      details: { status: code, stdout, stderr },
    })
  }
}

interface ExecFailure {
  killed?: boolean
  code?: number | string
  stdout?: string
  stderr?: string
}

/** Starts a program in the namespaces of the host whose process 1 is `pid`. See LabHost.spawn. */
export function spawnOnHost(
  pid: number,
  words: string[],
  options: { stdio?: StdioOptions; env?: NodeJS.ProcessEnv },
): HostProcess {
  const [program = '', ...rest] = enter(pid, words)
  const child = spawn(program, rest, {
    stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
  })
  return {
    child,
    signal: (signal) => {
      const [inside] = childrenOf(child.pid ?? -1)
      return inside !== undefined && process.kill(inside.pid, signal)
    },
  }
}

/** nsenter stays outside as the program's parent; host-run.sh sees to it that the program ends with it. */
function enter(pid: number, words: string[]): string[] {
  const namespaces = ['--mount', '--net', '--uts', '--pid', '--ipc', '--cgroup']
  const script = join(import.meta.dirname, 'host-run.sh')
  return ['nsenter', '--target', String(pid), ...namespaces, '--', 'bash', script, ...words]
}
