/**
 * A libvirtd of one's own for tests, the demo and benchmarks: beside the system's, or where there is none, with
 * no service manager. It runs in a mount and a process namespace in which /run and libvirt's directories are
 * private, with its own virtlogd. Network and host name are the machine's. Needs root.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { LodgeError, messageOf } from '../../src/base/errors.ts'
import { fillCapabilitiesCache, keepCapabilitiesCache } from '../../src/lab/capabilities-cache.ts'
import { childrenOf, waitFor } from '../../src/lab/processes.ts'

const controlGroups = join(import.meta.dirname, '../../src/lab/control-groups.sh')

export interface PrivateLibvirtd {
  /** Reaches it from anywhere on this machine. */
  readonly uri: string
  /** libvirtd's process id as this process sees it; a new one after `restart()`. */
  readonly pid: number
  /** Kills libvirtd with SIGKILL, and returns when it is gone. Its guests run on. */
  kill9(): Promise<void>
  /** Stops libvirtd if it runs, starts it, and returns when it answers. Guests run on, and it finds them again. */
  restart(): Promise<void>
  /** Ends libvirtd, virtlogd and all guests at once, and removes what it kept under `dir`. */
  stop(): Promise<void>
}

export interface PrivateLibvirtdOptions {
  /** A directory of the caller's, short enough for a socket's path (about 70 characters). */
  dir: string
  /** More lines for libvirtd.conf. */
  libvirtdConf?: string[]
  /** More lines for qemu.conf. */
  qemuConf?: string[]
}

/** Starts one; returns when it answers. If the calling process dies, libvirtd and its guests end with it. */
export async function startPrivateLibvirtd(options: PrivateLibvirtdOptions): Promise<PrivateLibvirtd> {
  const dir = join(options.dir, 'libvirtd')
  prepare(dir, options)
  const socket = join(dir, 'run/libvirt/libvirt-sock')
  const uri = `qemu+unix:///system?socket=${socket}`
  const group = `lodge-private-${randomUUID()}`
  const script = join(import.meta.dirname, 'private-libvirtd.sh')
  const namespace = spawn(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', 'bash', script, dir, group],
    // A session of its own: a Ctrl-C at the terminal is for the caller, who ends this in good order.
    { stdio: ['pipe', 'inherit', 'inherit'], detached: true },
  )
  const exited = new Promise<void>((resolve) => {
    namespace.once('close', () => resolve())
    namespace.once('error', () => resolve())
  })
  namespace.stdin.on('error', () => undefined)

  const findLibvirtd = (): number | undefined => {
    const init = childrenOf(namespace.pid ?? -1)[0]
    return init && childrenOf(init.pid).find((child) => child.name === 'libvirtd')?.pid
  }
  const start = async (): Promise<void> => {
    namespace.stdin.write('start\n')
    await untilAnswering(uri, dir, namespace)
  }
  const signal = async (name: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const pid = findLibvirtd()
    if (pid === undefined) return
    process.kill(pid, name)
    await waitFor(() => findLibvirtd() !== pid, 30_000, `libvirtd ${pid} to end`)
  }
  const stop = async (): Promise<void> => {
    namespace.stdin.end()
    await exited
    keepCapabilitiesCache(join(dir, 'cache'))
    await promisify(execFile)('bash', [controlGroups, 'remove', group], { timeout: 30_000 })
    rmSync(dir, { recursive: true, force: true })
  }

  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    uri,
    get pid() {
      const pid = findLibvirtd()
      if (pid === undefined) throw new LodgeError('unavailable', 'The private libvirtd is not running')
      return pid
    },
    kill9: () => signal('SIGKILL'),
    restart: async () => {
      await signal('SIGTERM')
      await start()
    },
    stop,
  }
}

function prepare(dir: string, options: PrivateLibvirtdOptions): void {
  for (const name of ['run', 'etc', 'lib', 'log', 'cache'])
    mkdirSync(join(dir, name), { recursive: true, mode: 0o755 })
  // What is mounted over must exist. The packages make these; /var/cache/libvirt may wait for a first start.
  for (const path of ['/etc/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt'])
    mkdirSync(path, { recursive: true })
  writeFileSync(
    join(dir, 'etc/libvirtd.conf'),
    lines([
      'auth_unix_rw = "none"',
      `host_uuid = "${randomUUID()}"`,
      'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"',
      ...(options.libvirtdConf ?? []),
    ]),
  )
  // Ports of its own for screens: two libvirtds that look for a free one at the same time find the same.
  const firstPort = 20_000 + randomInt(120) * 100
  // QEMU as root, and files left as they are: disks may then be anywhere, also in a temporary directory.
  writeFileSync(
    join(dir, 'etc/qemu.conf'),
    lines([
      'user = "root"',
      'group = "root"',
      'dynamic_ownership = 0',
      'remember_owner = 0',
      'security_driver = "none"',
      'namespaces = [ ]',
      `remote_display_port_min = ${firstPort}`,
      `remote_display_port_max = ${firstPort + 99}`,
      ...(options.qemuConf ?? []),
    ]),
  )
  fillCapabilitiesCache(join(dir, 'cache'))
}

async function untilAnswering(uri: string, dir: string, namespace: ChildProcess): Promise<void> {
  const deadline = Date.now() + 90_000
  for (;;) {
    try {
      await promisify(execFile)('virsh', ['-q', '-c', uri, 'uri'], { timeout: 60_000 })
      return
    } catch (error) {
      if (Date.now() > deadline || namespace.exitCode !== null || namespace.pid === undefined)
        throw new LodgeError(
          'unavailable',
          `The private libvirtd does not answer: ${messageOf(error)}\n${logOf(dir)}`,
          { cause: error },
        )
    }
    await delay(50)
  }
}

function logOf(dir: string): string {
  return ['libvirtd.out', 'libvirtd.log', 'virtlogd.out']
    .map((name) => join(dir, 'log', name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('')
}

const lines = (list: string[]): string => list.map((line) => `${line}\n`).join('')
