import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { LodgeError } from '../base/errors.ts'
import { fillCapabilitiesCache, keepCapabilitiesCache } from './capabilities-cache.ts'
import { certifyHosts } from './lab-certificates.ts'
import type { Lab, LabHost } from './lab.ts'
import { labHost } from './lab-host.ts'
import { labOf } from './lab-of.ts'
import {
  claimLabDirectory,
  labIsAlive,
  labRuns,
  readLabRecord,
  writeLabRecord,
  type LabRecord,
} from './lab-record.ts'
import { prepareHost } from './prepare-host.ts'
import { childrenOf, markOf, type ProcessMark } from './processes.ts'
import { sweepLab } from './sweep-lab.ts'

export interface LabOptions {
  /** How many hosts, 1 to 200. */
  hosts: number
  /** Where their files go; made if it is not there. At most about 70 characters, for the sockets' sake. */
  directory: string
  /** The lab stays when the calling process ends; `openLab` finds it again. Else it ends with that process. */
  stay?: boolean
  /** Told of each host that is up. */
  onHost?: (host: LabHost) => void
}

/**
 * Starts a lab: N hypervisor hosts on this machine, each in namespaces of its own with a libvirtd of its own, on a
 * network of their own. Returns when all answer. What an earlier lab in the directory left behind is removed first.
 * Needs root, and Debian's libvirt-daemon-system, libvirt-clients, qemu-system and iproute2.
 * @throws LodgeError conflict if a lab runs in the directory, badRequest, unavailable
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const directory = resolve(options.directory)
  check(options.hosts, directory)
  const last = readLabRecord(directory)
  if (last && labIsAlive(last)) throw labRuns(directory)
  await sweepLab(directory)

  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const group = `lodge-lab-${randomUUID()}`
  const record: LabRecord = { version: 1, group, hosts: options.hosts, owner: ownMark() }
  claimLabDirectory(directory, record)
  try {
    const keeper = startKeeper(directory, group)
    const init = await untilReady(keeper, directory)
    writeLabRecord(directory, { ...record, init, keeper: markOf(keeper.pid ?? -1) })
    const numbers = Array.from({ length: options.hosts }, (_, i) => i + 1)
    const hosts = numbers.map((number) => labHost(directory, number, init.pid, group))
    for (const number of numbers) prepareHost(directory, number, options.hosts)
    certifyHosts(
      hosts.map(({ name, address, directory }) => ({ etc: join(directory, 'etc'), name, address })),
    )
    await startAll(hosts, options.onHost)
    if (options.stay) letGo(keeper)
    return labOf(directory, hosts, init)
  } catch (error) {
    await sweepLab(directory)
    throw error
  }
}

function check(hosts: number, directory: string): void {
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > 200)
    throw new LodgeError('badRequest', `A lab has 1 to 200 hosts, not ${hosts}`)
  if (directory.length > 72)
    throw new LodgeError('badRequest', `${directory} is too long for a lab: at most 72 characters`)
  if (!/^\/[\w./+@-]+$/.test(directory))
    throw new LodgeError(
      'badRequest',
      `A lab's directory may have letters, digits and ./_+@- in its path only`,
    )
  const own = ['/run', '/var/run', '/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt', '/var/log']
  const inside = own.find((path) => directory === path || directory.startsWith(`${path}/`))
  if (inside)
    throw new LodgeError(
      'badRequest',
      `Each host has a ${inside} of its own; a lab's directory is outside of it`,
    )
  if (process.getuid?.() !== 0) throw new LodgeError('forbidden', 'A lab needs root, for its namespaces')
  for (const program of ['unshare', 'nsenter', 'setpriv', 'ip', 'libvirtd', 'virtlogd', 'virsh', 'openssl'])
    if (!isInstalled(program))
      throw new LodgeError(
        'unavailable',
        `A lab needs the program ${program}; Debian has it in util-linux, iproute2, libvirt-daemon-system, libvirt-clients or openssl`,
      )
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore', timeout: 10_000 })
    return true
  } catch {
    return false
  }
}

function ownMark(): ProcessMark {
  const mark = markOf(process.pid)
  if (!mark) throw new LodgeError('unavailable', 'A lab needs /proc')
  return mark
}

function startKeeper(directory: string, group: string): ChildProcess {
  const log = openSync(join(directory, 'lab.log'), 'w')
  const keeper = spawn('bash', [join(import.meta.dirname, 'keeper.sh'), group, directory], {
    stdio: ['pipe', 'pipe', log],
    // A session of its own: a Ctrl-C at the terminal is for the caller, who ends this in good order.
    detached: true,
  })
  closeSync(log)
  keeper.stdin?.on('error', () => undefined)
  return keeper
}

/** The lab's process 1, when it has made the switch. */
async function untilReady(keeper: ChildProcess, directory: string): Promise<ProcessMark> {
  await new Promise<void>((resolve, reject) => {
    const failed = (): void => {
      const said = readFileSync(join(directory, 'lab.log'), 'utf8').trim()
      reject(new LodgeError('unavailable', `The namespaces of the lab could not be made: ${said}`))
    }
    keeper.once('error', failed)
    keeper.once('close', failed)
    if (keeper.stdout) createInterface(keeper.stdout).once('line', () => resolve())
  })
  const unshare = childrenOf(keeper.pid ?? -1)[0]
  const init = unshare && childrenOf(unshare.pid)[0]
  const mark = init && markOf(init.pid)
  if (!mark) throw new LodgeError('unavailable', 'The process of the lab ended at its start')
  return mark
}

/**
 * The first host alone: where nothing is cached, its libvirtd looks at all emulators, which keeps a core busy for
 * many seconds, and the others then have it from the cache. They start all at once.
 */
async function startAll(hosts: LabHost[], onHost: LabOptions['onHost']): Promise<void> {
  const startOne = async (host: LabHost): Promise<void> => {
    await host.start()
    onHost?.(host)
  }
  const [first, ...others] = hosts
  if (first) {
    await startOne(first)
    keepCapabilitiesCache(join(first.directory, 'cache'))
    for (const other of others) fillCapabilitiesCache(join(other.directory, 'cache'))
  }
  await Promise.all(others.map(startOne))
}

/** The lab goes on without this process, which may now end. */
function letGo(keeper: ChildProcess): void {
  keeper.stdin?.end('stay\n')
  keeper.stdout?.destroy()
  keeper.unref()
}
