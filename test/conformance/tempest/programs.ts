import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LodgeError } from '../../../src/base/errors.ts'

export interface Tempest {
  /** The names of the tests that fit the regular expression. */
  list(regex: string): Promise<string[]>
  /** Runs these, showing each one's end. Returns the results as a JUnit report. */
  run(tests: string[], options: { concurrency: number; minutes: number }): Promise<string>
}

/** Tempest, to be run in the folder with these settings. Its results are kept there too, by stestr. */
export async function openTempest(directory: string, conf: string): Promise<Tempest> {
  const confFile = join(directory, 'tempest.conf')
  writeFileSync(confFile, conf, { mode: 0o600 })
  // What `tempest run` would write itself, were there a place for results already.
  writeFileSync(join(directory, '.stestr.conf'), stestrConf)
  const env = { ...process.env, TEMPEST_CONFIG: confFile, TEMPEST_CONFIG_DIR: directory }
  const call = (program: string, words: string[], more: CallOptions = {}): Promise<string> =>
    callProgram(program, words, { cwd: directory, env, ...more })
  const tempest = ['run', '--config-file', confFile]

  await call('stestr', ['init'])
  return {
    list: async (regex) => {
      const printed = await call('tempest', [...tempest, '--list-tests', '--regex', regex])
      const tests = printed.split('\n').filter((line) => line.startsWith('tempest.'))
      if (tests.length === 0) throw new LodgeError('unavailable', `Tempest lists no tests:\n${printed}`)
      return tests
    },
    run: async (tests, { concurrency, minutes }) => {
      const file = join(directory, 'tests.txt')
      writeFileSync(file, tests.join('\n'))
      const words = [...tempest, '--load-list', file, '--concurrency', String(concurrency)]
      await call('tempest', words, { minutes, show: true })
      const subunit = join(directory, 'results.subunit')
      await call('sh', ['-c', 'stestr last --subunit >results.subunit; true'])
      return call('subunit2junitxml', ['--no-passthrough', subunit])
    },
  }
}

const stestrConf = `[DEFAULT]
test_path=/usr/lib/python3/dist-packages/tempest/test_discover
top_dir=/usr/lib/python3/dist-packages/tempest
group_regex=([^\\.]*\\.)*
`

interface CallOptions {
  minutes?: number
  /** What it prints is for the reader, and not returned. */
  show?: boolean
}

/**
 * Runs a program and returns what it printed, whatever its exit status: that of Tempest tells only whether all tests
 * passed. In a process group of its own, all of which ends when the time is up or this process is told to end.
 */
function callProgram(
  program: string,
  words: string[],
  options: CallOptions & { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string> {
  const { cwd, env, show = false, minutes = 5 } = options
  const child = spawn(program, words, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
  })
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  const timer = setTimeout(end, minutes * 60_000)
  const parts: Buffer[] = []
  child.stdout?.on('data', (data) => parts.push(data))
  child.stderr?.on('data', (data) => parts.push(data))
  return new Promise<string>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new LodgeError('unavailable', `${error.message}; ./setup tempest installs what is needed`)),
    )
    child.once('close', (_status, signal) => {
      if (signal) reject(new LodgeError('timeout', `${program} was ended by ${signal}`))
      else resolve(Buffer.concat(parts).toString())
    })
  }).finally(() => {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, end)
  })
}
