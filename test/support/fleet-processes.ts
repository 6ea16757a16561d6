/**
 * A whole fleet as processes of its own: PostgreSQL, nats-server, `lodge controller`, and `lodge agent` with as many
 * simulated hosts as are wanted. All of it is gone after `stop`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LodgeError } from '../../src/base/errors.ts'
import { loadConfig } from '../../src/base/load-config.ts'
import type { PartialConfig } from '../../src/base/config-schema.ts'
import { joinFleet } from '../../src/daemon/join-fleet.ts'
import { freePort } from './free-port.ts'
import { login, type OpenStackApi } from './openstack-api.ts'
import { startPrivateNats, type PrivateNats } from './private-nats.ts'
import { startPrivatePostgres, type PrivatePostgres } from './private-postgres.ts'
import { until } from './until.ts'

export interface FleetProcessesOptions {
  hosts: number
  /** Settings of the controller beyond those that make it part of the fleet. */
  controller?: PartialConfig
  /** Settings of the agents. */
  agents?: PartialConfig
  /** Words for Node itself, before the program. */
  controllerFlags?: string[]
  agentsFlags?: string[]
  /** Where the processes' logs are kept; with all else in the temporary directory, and gone with it, unless told. */
  logs?: string
}

export interface FleetProcesses {
  readonly api: OpenStackApi
  readonly postgres: PrivatePostgres
  readonly nats: PrivateNats
  /** Process ids; undefined while it does not run. */
  readonly pids: { controller: number | undefined; agents: number | undefined }
  startController(): Promise<void>
  /** SIGTERM unless told, and waits for the end. */
  stopController(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Starts the simulated hosts, and returns when their process says that it is up. */
  startAgents(): Promise<void>
  stopAgents(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  stop(): Promise<void>
}

const main = join(import.meta.dirname, '../../src/main.ts')
const startMs = 600_000

/** Starts all but the agents' process; the simulated hosts have joined. */
export async function startFleetProcesses(options: FleetProcessesOptions): Promise<FleetProcesses> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-fleet-'))
  const logs = options.logs ?? directory
  const undo: (() => Promise<void> | void)[] = [
    () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }),
  ]
  let controller: Daemon | undefined
  let agents: Daemon | undefined
  let api: OpenStackApi | undefined
  const stop = async (): Promise<void> => {
    await agents?.stop('SIGTERM')
    await controller?.stop('SIGTERM')
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const postgres = await startPrivatePostgres({ durable: true })
    undo.push(() => postgres.stop())
    const nats = await startPrivateNats()
    undo.push(() => nats.remove())
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const settings = join(directory, 'controller.json')
    const wanted: PartialConfig = {
      ...options.controller,
      stateDirectory: nats.state,
      listen: { host: '127.0.0.1', port },
      bus: { url: nats.url },
      store: { ...options.controller?.store, url: await postgres.database() },
    }
    writeFileSync(settings, JSON.stringify(wanted))

    const agentsWanted: PartialConfig = {
      ...options.agents,
      stateDirectory: join(directory, 'agents'),
      simulate: { latencyMs: 0, ...options.agents?.simulate, hosts: options.hosts },
    }
    const agentsSettings = join(directory, 'agents.json')
    writeFileSync(agentsSettings, JSON.stringify(agentsWanted))

    const fleet: FleetProcesses = {
      postgres,
      nats,
      get api() {
        return api!
      },
      get pids() {
        return { controller: controller?.pid(), agents: agents?.pid() }
      },
      async startController() {
        controller = startDaemon(
          [...(options.controllerFlags ?? []), main, 'controller', '--config', settings],
          join(logs, 'controller.log'),
        )
        await controller.says('The controller is up')
        api = await login(join(nats.state, 'clouds.yaml'), url)
      },
      stopController: async (signal = 'SIGTERM') => controller?.stop(signal),
      async startAgents() {
        agents = startDaemon(
          [...(options.agentsFlags ?? []), main, 'agent', '--config', agentsSettings],
          join(logs, 'agents.log'),
        )
        await agents.says('The agent of host')
      },
      stopAgents: async (signal = 'SIGTERM') => agents?.stop(signal),
      stop,
    }
    await fleet.startController()
    const { token, url: door } = (
      await fleet.api.must('POST', '/lodge/v1/host-invites', { invite: { host: 'simulated-*' } })
    ).body.invite
    await joinFleet({ config: loadConfig(undefined, agentsWanted), url: door, token, simulated: true })
    return fleet
  } catch (error) {
    await stop()
    throw error
  }
}

interface Daemon {
  pid(): number | undefined
  /** Waits for a text on its standard error. @throws LodgeError unavailable when it ends before */
  says(sign: string): Promise<void>
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

function startDaemon(words: string[], logFile: string): Daemon {
  const child: ChildProcess = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const log = createWriteStream(logFile, { flags: 'a' })
  let said = ''
  let sign: string | undefined
  let isSaid = false
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-10_000)
    // What is waited for may be followed by more than is kept.
    isSaid ||= sign !== undefined && said.includes(sign)
    log.write(chunk)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => log.end(resolve)))
  const runs = (): boolean => child.exitCode === null && child.signalCode === null
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  return {
    pid: () => (runs() ? child.pid : undefined),
    says: async (wanted) => {
      sign = wanted
      isSaid = said.includes(sign)
      await until(`'${sign}' from ${words.slice(-3).join(' ')}`, startMs, () => {
        if (!runs()) throw new LodgeError('unavailable', `it ended with ${child.exitCode}: ${said}`)
        return isSaid
      })
    },
    stop: async (signal) => {
      if (runs()) child.kill(signal)
      await ended
      process.off('exit', onExit)
    },
  }
}
