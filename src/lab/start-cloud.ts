import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Config } from '../base/config.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Lab, LabHost } from './lab.ts'
import { readLabRecord } from './lab-record.ts'
import { switchAddress } from './prepare-host.ts'
import { waitFor } from './processes.ts'
import { writeServiceFile } from './service.ts'

/** Lodge itself in a lab: NATS and a controller in the lab's switch, an agent on each host. */
export interface LabCloud {
  /** Of the API, on this machine's loopback, without a trailing slash. */
  url: string
  /** For `OS_CLIENT_CONFIG_FILE`; the cloud in it is called `lodge`. */
  cloudsFile: string
  /** The controller's state directory, for `lodge status --state` and the like. */
  stateDirectory: string
}

export interface LabCloudOptions {
  /** Of the API on this machine's loopback; a free one unless told. */
  port?: number
  /** Where clients are told that compute is, without a trailing slash; such as a proxy before the API. */
  computeUrl?: string
  /** One directory for the disks of all servers, which all hosts see; each host has its own unless told. */
  sharedStorage?: boolean
  /** More settings of the agents. */
  agent?: Partial<Config['agent']>
  /** More settings of the controller. */
  controller?: { [Section in keyof Config]?: Partial<Config[Section]> }
}

const natsPort = 4222

/**
 * Starts nats-server and a controller in the lab, makes each host join, and returns when all agents are up. They
 * end with the lab; until then each is started again when it has ended, and agents also with their hosts.
 * @throws LodgeError unavailable, with what the part that failed has said
 */
export async function startCloud(lab: Lab, options: LabCloudOptions = {}): Promise<LabCloud> {
  const switchPid = readLabRecord(lab.directory)?.init?.pid
  if (switchPid === undefined) throw new LodgeError('conflict', `No lab runs in ${lab.directory}`)
  const directory = join(lab.directory, 'cloud')
  const stateDirectory = join(directory, 'state')
  mkdirSync(directory, { recursive: true, mode: 0o700 })

  // The controller has the same port in the lab as the machine has outside, so that one URL holds in both.
  const door = createServer()
  await once(door.listen(options.port ?? 0, '127.0.0.1'), 'listening')
  const { port } = door.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const settings = join(directory, 'lodge.json')
  writeFileSync(
    settings,
    JSON.stringify({ ...options.controller, ...controllerSettings(url, port, options.computeUrl) }),
    { mode: 0o600 },
  )

  const listen = `${switchAddress}:${natsPort}`
  await lodge('fleet', 'init', '--state', stateDirectory, '--nats-listen', listen)
  const keep = (name: 'nats' | 'controller', words: string[]): void =>
    writeServiceFile(join(directory, `${name}.service`), words)
  keep('nats', ['nats-server', '-c', join(stateDirectory, 'fleet/nats-server.conf')])
  const portOpens = `(exec 3<>/dev/tcp/${switchAddress}/${natsPort}) 2>/dev/null`
  await untilUp(directory, 'nats', () => inSwitch(switchPid, ['bash', '-c', portOpens]))

  const controllerWords = ['controller', '--state', stateDirectory, '--config', settings]
  keep('controller', [...program, ...controllerWords, '--listen', `0.0.0.0:${port}`])
  await passOn(startForward(switchPid, directory, [switchAddress, String(port)]), door)
  await untilUp(directory, 'controller', async () => (await fetch(`${url}/identity/v3`)).ok)

  const agent = {
    ...(options.sharedStorage && { instancesDirectory: join(directory, 'instances') }),
    ...options.agent,
  }
  await Promise.all(lab.hosts.map((host) => joinFleet(host, stateDirectory, agent)))
  const allUp = async (): Promise<boolean> => {
    const { stdout } = await lodge('status', '--state', stateDirectory)
    return lab.hosts.every(({ name }) => new RegExp(`^${name} +up `, 'm').test(stdout))
  }
  await untilUp(directory, 'controller', allUp)
  return { url, cloudsFile: join(stateDirectory, 'clouds.yaml'), stateDirectory }
}

const main = join(import.meta.dirname, '../main.ts')
const forwarder = join(import.meta.dirname, 'forward.ts')
const program = [process.execPath, main]

/** On the hosts, below directories that each has to itself and at the same place, as migrations want it. */
const agentState = '/var/lib/libvirt/lodge'
const agentSettings = 'lodge.json'

const controllerSettings = (url: string, port: number, computeUrl = `${url}/compute`): object => ({
  bus: { url: `nats://${switchAddress}:${natsPort}` },
  publicUrls: {
    identity: `${url}/identity`,
    compute: computeUrl,
    image: `${url}/image`,
    network: `${url}/network`,
    // What agents use.
    lodge: `http://${switchAddress}:${port}/lodge`,
  },
})

async function joinFleet(host: LabHost, controllerState: string, agent = {}): Promise<void> {
  const { stdout } = await lodge('host', 'invite', host.name, '--state', controllerState)
  const [, ...joining] = stdout.trim().split(' ') // without the first, `lodge`
  // Without TLS: the lab's network is nobody else's, and its libvirtds have no certificates.
  const migration = { address: host.address, uri: 'qemu+tcp://%s/system', tls: false }
  const settings = { agent: { ...agent, migration } }
  writeFileSync(join(host.directory, 'etc', agentSettings), JSON.stringify(settings))
  const common = ['--state', agentState, '--config', `/etc/libvirt/${agentSettings}`]
  await host.exec([...program, ...joining, ...common])
  host.keepRunning([...program, 'agent', ...common])
}

/** Runs the `lodge` command of this checkout. */
const lodge = (...words: string[]): Promise<{ stdout: string }> =>
  promisify(execFile)(process.execPath, [main, ...words], { timeout: 60_000 }).catch((error: unknown) => {
    throw new LodgeError('unavailable', `The lab's cloud: ${messageOf(error)}`, { cause: error })
  })

const namespacesOf = (switchPid: number): string[] => [
  '--target',
  String(switchPid),
  '--mount',
  '--net',
  '--pid',
  '--',
]

/** It ends with the lab, not with this process. */
function startForward(switchPid: number, directory: string, words: string[]): ChildProcess {
  const log = openSync(join(directory, 'forward.log'), 'w', 0o600)
  const child = spawn('nsenter', [...namespacesOf(switchPid), process.execPath, forwarder, ...words], {
    // A channel, because it is sent its socket.
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  })
  closeSync(log)
  child.on('error', () => undefined) // passOn hears nothing from it
  child.unref()
  child.channel?.unref()
  return child
}

const inSwitch = async (switchPid: number, words: string[]): Promise<boolean> => {
  await promisify(execFile)('nsenter', [...namespacesOf(switchPid), ...words], { timeout: 10_000 })
  return true
}

/** Hands the listening socket over. */
async function passOn(child: ChildProcess, door: Server): Promise<void> {
  const ready = once(child, 'message', { signal: AbortSignal.timeout(20_000) })
  child.send('listen', door)
  await ready
  door.close()
}

/** @throws LodgeError unavailable with the last that the service said, when it is not up within a minute */
async function untilUp(directory: string, name: string, isUp: () => Promise<boolean>): Promise<void> {
  await waitFor(() => isUp().catch(() => false), 60_000, name, 200).catch((cause: unknown) => {
    const log = join(directory, `${name}.log`)
    const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-10).join('\n') : ''
    throw new LodgeError('unavailable', `The lab's ${name} did not start: ${said}`, { cause })
  })
}
