/** Several simulated hosts with real agents on one bus, which can send guests to each other. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import { createSimulatedDisks } from '../../src/agent/disk/simulated-disks.ts'
import { openJournal, type Journal } from '../../src/agent/journal.ts'
import { simulatedMachine } from '../../src/agent/machine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig, type Config } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { Bus } from '../../src/bus/bus.ts'
import type { Verb } from '../../src/contract/command.ts'
import type { SimulatedPeers } from '../../src/hypervisor/simulated/simulated-migration.ts'
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
} from '../../src/hypervisor/simulated/simulated-hypervisor.ts'
import type { PowerState } from '../../src/model/server-state.ts'

export interface SimulatedHosts {
  hypervisor(host: string): SimulatedHypervisor
  setMigrationMs(milliseconds: number): void
  /** Told of each command as it comes to the host, until the hosts are stopped. */
  onCommand(host: string, listener: (verb: Verb) => void): void
  restartAgent(host: string): Promise<void>
  /** The host's agent takes a census and reports it. */
  census(host: string): Promise<void>
  /** The hosts that have a domain of the server, and those that have disks of it. */
  homesOf(serverId: string): Promise<string[]>
  disksOf(serverId: string): Promise<string[]>
  powerOf(serverId: string, host: string): Promise<PowerState | undefined>
  stop(): Promise<void>
}

export async function startSimulatedHosts(
  bus: Bus,
  names: string[],
  config: Partial<Config['agent']> = {},
): Promise<SimulatedHosts> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-hosts-'))
  const peers: SimulatedPeers = new Map()
  const listeners = new Map<string, ((verb: Verb) => void)[]>()
  const none = async (): Promise<never> => {
    throw new LodgeError('notFound', 'There are no images in this test')
  }
  const parts = new Map(
    names.map((name, index) => [
      name,
      {
        hypervisor: createSimulatedHypervisor({ name, peers, seed: index + 1 }),
        disks: createSimulatedDisks(),
        running: undefined as { agent: Agent; journal: Journal } | undefined,
      },
    ]),
  )
  const partsOf = (name: string) => parts.get(name)!

  const tapped: Bus = {
    ...bus,
    serve: (host, endpoint) =>
      bus.serve(host, {
        ...endpoint,
        command: (command) => {
          for (const listener of listeners.get(host) ?? []) listener(command.verb)
          return endpoint.command(command)
        },
      }),
  }

  async function startAgent(name: string): Promise<void> {
    const { hypervisor, disks } = partsOf(name)
    const journal = openJournal(join(directory, `${name}.sqlite`))
    const agent = createAgent({
      config: { ...defaultConfig.agent, ...config },
      hostName: name,
      hostId: newUuid(),
      hypervisor,
      disks,
      bus: tapped,
      images: { fetch: none, store: none },
      journal,
      machine: simulatedMachine(),
      clock: systemClock,
      log: silentLogger(),
    })
    await agent.start()
    partsOf(name).running = { agent, journal }
  }

  async function stopAgent(name: string): Promise<void> {
    const { running } = partsOf(name)
    await running?.agent.stop()
    await running?.journal.close()
  }

  async function hostsWhere(has: (name: string) => Promise<boolean>): Promise<string[]> {
    const found: string[] = []
    for (const name of names) if (await has(name)) found.push(name)
    return found
  }

  for (const name of names) await startAgent(name)
  return {
    hypervisor: (host) => partsOf(host).hypervisor,
    setMigrationMs: (milliseconds) => {
      for (const { hypervisor } of parts.values()) hypervisor.setMigrationMs(milliseconds)
    },
    onCommand: (host, listener) => listeners.set(host, [...(listeners.get(host) ?? []), listener]),
    async restartAgent(host) {
      await stopAgent(host)
      await startAgent(host)
    },
    census: async (host) => partsOf(host).running?.agent.reconcile(),
    homesOf: (serverId) =>
      hostsWhere(async (name) => (await partsOf(name).hypervisor.findDomain(serverId)) !== undefined),
    disksOf: (serverId) => hostsWhere(async (name) => (await partsOf(name).disks.list()).includes(serverId)),
    powerOf: async (serverId, host) => (await partsOf(host).hypervisor.findDomain(serverId))?.powerState,
    async stop() {
      for (const name of names) await stopAgent(name)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
