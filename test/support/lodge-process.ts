/** `lodge up` or `lodge controller` as a process, for tests that kill it and for clients that speak to it over HTTP. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { LodgeError } from '../../src/base/errors.ts'
import { until } from './until.ts'

export interface LodgeProcessOptions {
  /** What is run; `up` unless told. */
  command?: 'up' | 'controller'
  state: string
  port: number
  /** Further words of the command line, such as `--simulate 4` or `--libvirt-uri URI`. */
  flags?: string[]
  /** Where the log goes; `<state>.log` unless told. */
  logFile?: string
  /** Leads a session of its own, so that a Ctrl-C at the terminal does not reach it. */
  detached?: boolean
  /** Words before the program for Node itself, and further variables of its environment. */
  nodeFlags?: string[]
  env?: Record<string, string>
  /** Gives up waiting for it to answer. */
  signal?: AbortSignal
}

export interface LodgeProcess {
  readonly url: string
  readonly pid: number
  readonly cloudsFile: string
  readonly logFile: string
  /** Resolves with the exit status when it has ended, however it came to. */
  readonly ended: Promise<number | null>
  /** SIGTERM, and waits for the end. Returns the exit status. */
  stop(): Promise<number | null>
  /** SIGKILL, and waits for the end. */
  kill9(): Promise<void>
}

const main = join(import.meta.dirname, '../../src/main.ts')

/**
 * Starts one and returns when its API answers.
 * @throws LodgeError unavailable when it ends before that; timeout when it does not answer, and is then killed
 */
export async function startLodge(options: LodgeProcessOptions): Promise<LodgeProcess> {
  const url = `http://127.0.0.1:${options.port}`
  const logFile = options.logFile ?? `${options.state}.log`
  const command = options.command ?? 'up'
  const words = [
    command,
    '--state',
    options.state,
    '--listen',
    `127.0.0.1:${options.port}`,
    ...(options.flags ?? []),
  ]
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), main, ...words], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: options.detached ?? false,
  })
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))

  try {
    await until(`lodge ${command} to answer`, 120_000, async () => {
      options.signal?.throwIfAborted()
      if (hasEnded(child))
        throw new LodgeError('unavailable', `lodge ${command} ended with ${child.exitCode}; see ${logFile}`)
      return fetch(`${url}/identity/v3`).then(
        (answer) => answer.ok,
        () => false,
      )
    })
  } catch (error) {
    await end(child, 'SIGKILL', ended)
    throw error
  }
  return {
    url,
    pid: child.pid!,
    cloudsFile: join(options.state, 'clouds.yaml'),
    logFile,
    ended,
    stop: () => end(child, 'SIGTERM', ended),
    kill9: async () => {
      await end(child, 'SIGKILL', ended)
    },
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL', ended: Promise<number | null>) {
  if (!hasEnded(child)) child.kill(signal)
  return ended
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null
