/** Several hosts with real agents over simulated hypervisors, for tests that move servers between them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import { createInProcessDiskTransfer } from '../../src/agent/disk-transfer/in-process-transfer.ts'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createSimulatedDisks } from '../../src/agent/disk/simulated-disks.ts'
import type { SimulatedStorage } from '../../src/agent/disk/simulated-storage.ts'
import { openJournal, type Journal } from '../../src/agent/journal.ts'
import { simulatedMachine } from '../../src/agent/machine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { Bus } from '../../src/bus/bus.ts'
import type { Config } from '../../src/base/config.ts'
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
} from '../../src/hypervisor/simulated/simulated-hypervisor.ts'
import type { SimulatedPeers } from '../../src/hypervisor/simulated/simulated-migration.ts'
import { powerState } from '../../src/model/server-state.ts'

export interface FleetHost {
  name: string
  hypervisor: SimulatedHypervisor
  disks: Disks
  /** The agent's process ends; guests run on. */
  leave(): Promise<void>
  /** A new agent over the same hypervisor, disks and journal. */
  join(): Promise<Agent>
  /** The machine goes off with all its guests. */
  powerFailure(): Promise<void>
  runs(serverId: string): Promise<boolean>
  has(serverId: string): Promise<{ domain: boolean; disks: boolean }>
}

export interface Fleet {
  hosts: FleetHost[]
  host(name: string): FleetHost
  /** Names of the hosts on which the server's guest runs. */
  runningOn(serverId: string): Promise<string[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** @param count hosts, called h1, h2, ... `storage`: what all of them see, in place of disks of their own */
export async function startFleet(
  bus: Bus,
  config: Config['agent'],
  count: number,
  storage?: SimulatedStorage,
): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-fleet-'))
  const transfer = createInProcessDiskTransfer()
  const peers: SimulatedPeers = new Map()

  async function startHost(number: number): Promise<FleetHost> {
    const name = `h${number}`
    const hypervisor = createSimulatedHypervisor({ name, peers, seed: number })
    const disks = createSimulatedDisks({
      stagingDirectory: join(directory, name),
      host: name,
      ...(storage && { storage }),
    })
    let journal: Journal
    let agent: Agent | undefined
    let boots = 1

    const host: FleetHost = {
      name,
      hypervisor,
      disks,
      async leave() {
        await agent?.stop()
        if (agent) await journal.close()
        agent = undefined
      },
      async join() {
        journal = openJournal(join(directory, `${name}.sqlite`))
        agent = createAgent({
          config,
          hostName: name,
          hostId: `00000000-0000-4000-8000-00000000000${number}`,
          hypervisor,
          disks,
          bus,
          images: { fetch: async () => {}, store: async () => ({ sizeBytes: 1 }) },
          transfer,
          journal,
          machine: { ...simulatedMachine(), bootId: () => `boot-${boots}` },
          awaitsAdmission: true,
          clock: systemClock,
          log: silentLogger(),
        })
        await agent.start()
        return agent
      },
      async powerFailure() {
        await host.leave()
        hypervisor.powerFailure()
        hypervisor.reconnect()
        boots += 1
      },
      runs: async (serverId) => {
        const domain = (await hypervisor.listDomains()).find(({ uuid }) => uuid === serverId)
        return domain?.powerState === powerState.RUNNING
      },
      has: async (serverId) => ({
        domain: (await hypervisor.listDomains()).some(({ uuid }) => uuid === serverId),
        disks: (await disks.describe(serverId)) !== undefined,
      }),
    }
    await host.join()
    return host
  }

  const hosts: FleetHost[] = []
  for (let number = 1; number <= count; number += 1) hosts.push(await startHost(number))
  return {
    hosts,
    host: (name) => hosts.find((host) => host.name === name)!,
    async runningOn(serverId) {
      const names: string[] = []
      for (const host of hosts) if (await host.runs(serverId)) names.push(host.name)
      return names
    },
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host.leave()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
