import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LodgeError, messageOf } from '../base/errors.ts'
import { execOnHost, spawnOnHost } from './host-process.ts'
import type { LabHost } from './lab.ts'
import { readHostMark, writeHostMark } from './lab-record.ts'
import { linkIsDown, plugIn, setLink, unplug } from './links.ts'
import { addressOf, directoryOf, nameOf } from './prepare-host.ts'
import { labService, writeServiceFile } from './service.ts'
import { childrenOf, isAlive, killAndWait, markOf, waitFor, type ProcessMark } from './processes.ts'

/** The handle of one host of a lab whose process 1 is `switchPid` and whose control group is `group`. */
export function labHost(labDirectory: string, number: number, switchPid: number, group: string): LabHost {
  const directory = directoryOf(labDirectory, number)
  const name = nameOf(number)
  const libvirtUri = `qemu+unix:///system?socket=${join(directory, 'run/libvirt/libvirt-sock')}`

  const living = (): ProcessMark | undefined => {
    const mark = readHostMark(directory)
    return mark && isAlive(mark) ? mark : undefined
  }
  const pid = (): number => {
    const mark = living()
    if (mark) return mark.pid
    throw new LodgeError('conflict', `${name} is down; 'lodge lab start ${number}' starts it`)
  }

  const host: LabHost = {
    number,
    name,
    address: addressOf(number),
    libvirtUri,
    directory,
    isUp: () => living() !== undefined,
    isCut: async () => host.isUp() && (await linkIsDown(switchPid, number)),
    exec: async (words, { timeout = 60_000 } = {}) => execOnHost(pid(), name, words, timeout),
    spawn: (words, options = {}) => spawnOnHost(pid(), words, options),
    keepRunning: (words) => writeServiceFile(join(directory, 'service'), words),
    service: (name) => labService(name, () => living()?.pid),
    kill: async () => {
      const mark = living()
      if (!mark) return
      await killAndWait(mark)
      await unplug(switchPid, number)
    },
    start: async () => {
      if (host.isUp()) throw new LodgeError('conflict', `${name} is up already`)
      const stub = startNamespaces(directory, `${group}/${name}`, name, switchPid)
      const mark = await findInit(stub, directory)
      writeHostMark(directory, mark)
      await plugIn(switchPid, mark.pid, number)
      await untilLibvirtAnswers(libvirtUri, mark, directory)
    },
    cut: async () => {
      pid()
      await setLink(switchPid, number, 'down')
    },
    mend: async () => {
      pid()
      await setLink(switchPid, number, 'up')
    },
  }
  return host
}

/** The child is nsenter, which waits outside for as long as the host lives. */
function startNamespaces(directory: string, group: string, name: string, switchPid: number): ChildProcess {
  // A machine that boots finds its /run empty.
  rmSync(join(directory, 'run'), { recursive: true, force: true })
  mkdirSync(join(directory, 'run/lock'), { recursive: true, mode: 0o755 })
  const log = openSync(join(directory, 'start.log'), 'w')
  try {
    const lab = ['--target', String(switchPid), '--mount', '--net', '--pid']
    const script = join(import.meta.dirname, 'host-enter.sh')
    const stub = spawn('nsenter', [...lab, '--', 'bash', script, directory, group, name], {
      stdio: ['ignore', log, log],
      detached: true,
    })
    stub.on('error', () => undefined) // findInit sees that there is no process
    stub.unref()
    return stub
  } finally {
    closeSync(log)
  }
}

/** The host's process 1: the child of unshare, which took the place of the shell that nsenter started. */
async function findInit(stub: ChildProcess, directory: string): Promise<ProcessMark> {
  let init: number | undefined
  await waitFor(
    () => {
      const outer = stub.pid === undefined ? undefined : childrenOf(stub.pid)[0]
      init = outer?.name === 'unshare' ? childrenOf(outer.pid).find(isShell)?.pid : undefined
      return init !== undefined || stub.exitCode !== null || stub.pid === undefined
    },
    30_000,
    `the namespaces of ${directory}`,
  )
  const mark = init === undefined ? undefined : markOf(init)
  if (mark) return mark
  throw new LodgeError('unavailable', `The host in ${directory} did not start: ${logsOf(directory)}`)
}

const isShell = ({ name }: { name: string }): boolean => name === 'bash'

/** Asks for the capabilities, because the first answer takes libvirtd many seconds where nothing is cached. */
async function untilLibvirtAnswers(uri: string, mark: ProcessMark, directory: string): Promise<void> {
  let last: unknown
  const answers = async (): Promise<boolean> => {
    if (!isAlive(mark)) return true
    try {
      await promisify(execFile)('virsh', ['-q', '-c', uri, 'capabilities'], { timeout: 90_000 })
      return true
    } catch (error) {
      last = error
      return false
    }
  }
  await waitFor(answers, 120_000, `libvirtd in ${directory}`).catch((error: unknown) => {
    const why = `${messageOf(last)} ${logsOf(directory)}`
    throw new LodgeError('unavailable', `${messageOf(error)}: ${why}`, { cause: last })
  })
  if (!isAlive(mark))
    throw new LodgeError(
      'unavailable',
      `The host in ${directory} ended while it started: ${logsOf(directory)}`,
    )
}

/** The last lines of what the host's daemons said. */
function logsOf(directory: string): string {
  return ['start.log', 'log/libvirt/libvirtd.out', 'log/libvirt/libvirtd.log', 'log/libvirt/virtlogd.out']
    .map((name) => join(directory, name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8').trim().split('\n').slice(-5).join('\n'))
    .join('\n')
    .trim()
}
