/**
 * A PostgreSQL of one's own for tests and benchmarks, in a temporary directory, on a free port of the loopback. It
 * runs as an unprivileged user, sorts texts by the rules of English (so that what relies on the order of bytes is
 * found out), and dies with the process that started it.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chownSync, closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { Client } from 'pg'
import { LodgeError } from '../../src/base/errors.ts'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

export interface PrivatePostgres {
  readonly port: number
  /** Of the server that runs, whose children serve the connections; undefined while none does. */
  readonly pid: number | undefined
  /** The directory of its socket, which only its own user and root may reach. */
  readonly directory: string
  /** Makes an empty database, or a copy of the one at `template`, which nobody may be using; returns its URL. */
  database(template?: string): Promise<string>
  /** Runs a statement as the superuser. */
  run(statement: string): Promise<Record<string, unknown>[]>
  /** Kills the server with SIGKILL, and returns when it is gone; its files stay for `start`. */
  kill9(): Promise<void>
  start(): Promise<void>
  /** Ends it at once and removes its files. */
  stop(): Promise<void>
}

export interface PrivatePostgresOptions {
  /** Waits for the disk at each commit, as production does. */
  durable?: boolean
}

/** @throws LodgeError unavailable when PostgreSQL's programs are not installed or do not run */
export async function startPrivatePostgres(options: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const programs = newestPrograms()
  const directory = mkdtempSync(join(tmpdir(), 'lodge-pg-'))
  if (getuid?.() === 0) chownSync(directory, ...owner())
  const data = join(directory, 'data')
  const log = join(directory, 'log')
  initialize(join(programs, 'initdb'), data)
  const port = await freePort()
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: directory,
    max_connections: 300,
    shared_buffers: '64MB',
    fsync: options.durable ? 'on' : 'off',
    logging_collector: 'off',
    autovacuum_naptime: '10s',
  }
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  let server: ChildProcess | undefined

  const run = async (statement: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ host: '127.0.0.1', port, user: 'lodge', database: 'postgres' })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(statement)).rows as Record<string, unknown>[]
    } finally {
      await client.end()
    }
  }
  const spawnServer = (): ChildProcess => {
    const output = openSync(log, 'a')
    const [program, ...first] = unprivileged([join(programs, 'postgres'), '-D', data, ...words])
    // Not kept alive for its sake: the caller's process may end without asking.
    const spawned = spawn(program!, first, { stdio: ['ignore', output, output] })
    spawned.unref()
    closeSync(output)
    return spawned
  }
  const start = async (): Promise<void> => {
    let attempts = 1
    server = spawnServer()
    await until(
      'PostgreSQL to answer',
      30_000,
      async () => {
        if (server!.exitCode !== null) {
          // After a SIGKILL its children may still be about to end, and it does not start beside them.
          if ((attempts += 1) > 50) throw failed(readFileSync(log, 'utf8'))
          server = spawnServer()
        }
        return run('select 1').then(
          () => true,
          () => false,
        )
      },
      100,
    )
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const gone = new Promise((resolve) => server!.once('exit', resolve))
    server.ref()
    server.kill(signal)
    await gone
  }
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  const onExit = (): void => {
    server?.kill('SIGQUIT')
    // It still writes while it ends, and nothing can be awaited here.
    for (let attempt = 0; attempt < 40; attempt++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
      try {
        return remove()
      } catch {
        continue
      }
    }
  }
  process.once('exit', onExit)
  await start()
  return {
    port,
    get pid() {
      return server?.exitCode === null && server.signalCode === null ? server.pid : undefined
    },
    directory,
    run,
    start,
    database: async (template) => {
      const name = `lodge_${randomUUID().replaceAll('-', '')}`
      const copied = template === undefined ? '' : ` template ${new URL(template).pathname.slice(1)}`
      await run(`create database ${name}${copied}`)
      return `postgres://lodge@127.0.0.1:${port}/${name}`
    },
    kill9: () => end('SIGKILL'),
    stop: async () => {
      process.off('exit', onExit)
      await end('SIGQUIT')
      remove()
    },
  }
}

/** Debian keeps each release's programs in a directory of its own. */
function newestPrograms(): string {
  const found = globSync('/usr/lib/postgresql/*/bin').sort((a, b) => releaseOf(a) - releaseOf(b))
  const newest = found.at(-1)
  if (newest === undefined) throw failed('its programs are not in /usr/lib/postgresql; run ./setup test')
  return newest
}

const releaseOf = (path: string): number => Number(path.split('/').at(-2))

function initialize(initdb: string, data: string): void {
  const flags = ['--username=lodge', '--auth=trust', '--encoding=UTF8', '--no-sync', '--no-locale']
  const sorting = ['--locale-provider=icu', '--icu-locale=en']
  const [program, ...words] = unprivileged([initdb, '-D', data, ...flags, ...sorting])
  const { status, stdout, stderr } = spawnSync(program!, words, { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw failed(stdout + stderr)
}

/** The server refuses to run as root; as that we become another user. It ends when this process does. */
function unprivileged(words: string[]): string[] {
  const dying = ['--pdeathsig', 'SIGQUIT']
  if (getuid?.() !== 0) return ['setpriv', ...dying, ...words]
  const [uid, gid] = owner()
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...dying, ...words]
}

/** User and group that the Debian package made for the server. */
function owner(): [uid: number, gid: number] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'))
  if (!line) throw failed('there is no user "postgres"')
  const [, , uid, gid] = line.split(':')
  return [Number(uid), Number(gid)]
}

const failed = (why: string): LodgeError =>
  new LodgeError('unavailable', `A private PostgreSQL does not start: ${why}`)
