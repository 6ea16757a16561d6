/** An agent over the simulated hypervisor, for tests that drive it through the bus. */
import { mkdtempSync, rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createSimulatedDisks } from '../../src/agent/disk/simulated-disks.ts'
import { openJournal, type Journal } from '../../src/agent/journal.ts'
import { simulatedMachine, type Machine } from '../../src/agent/machine.ts'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { defaultConfig, type Config } from '../../src/base/config.ts'
import { newRequestId, newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { Bus } from '../../src/bus/bus.ts'
import { createInProcessBus } from '../../src/bus/in-process.ts'
import type { Command, CommandTable, Outcome, Verb } from '../../src/contract/command.ts'
import type { ImageTransfer } from '../../src/contract/image-transfer.ts'
import type { CensusEntry, CensusReport, PowerReport, Report } from '../../src/contract/report.ts'
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
  type SimulatedHypervisorOptions,
} from '../../src/hypervisor/simulated/simulated-hypervisor.ts'
import { domainNameOf, type ServerSpec } from '../../src/model/server-spec.ts'

export interface AgentHarness {
  bus: Bus
  hypervisor: SimulatedHypervisor
  disks: Disks
  reports: Report[]
  agent: Agent
  send<V extends Verb>(
    verb: V,
    serverId: string,
    params: CommandTable[V]['params'],
    id?: string,
  ): Promise<Outcome<V>>
  /** As `send`, and fails when the command did. */
  must<V extends Verb>(
    verb: V,
    serverId: string,
    params: CommandTable[V]['params'],
    id?: string,
  ): Promise<CommandTable[V]['result']>
  /** A server that runs. */
  spawn(): Promise<ServerSpec>
  /** Stops the agent and starts a new one over the same hypervisor, disks and journal. */
  restart(between?: () => Promise<void> | void): Promise<void>
  powerReports(): PowerReport[]
  census(): CensusEntry[]
  /** Images that were stored: id and size. */
  stored: Map<string, number>
  [Symbol.asyncDispose](): Promise<void>
}

export interface AgentHarnessOptions {
  config?: Partial<Config['agent']>
  hypervisor?: SimulatedHypervisorOptions
  disks?: Partial<Disks>
  images?: Partial<ImageTransfer>
  machine?: Machine
  clock?: Clock
  /** Keeps the journal in memory, where writing is quicker and a restart finds nothing. */
  forgetful?: boolean
}

export const harnessHost = 'host-1'

export async function createAgentHarness(options: AgentHarnessOptions = {}): Promise<AgentHarness> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-agent-'))
  const journalPath = options.forgetful ? ':memory:' : join(directory, 'journal.sqlite')
  const bus = createInProcessBus()
  const hypervisor = createSimulatedHypervisor(options.hypervisor)
  const disks = {
    ...createSimulatedDisks({ stagingDirectory: join(directory, 'staging') }),
    ...options.disks,
  }
  const reports: Report[] = []
  const stored = new Map<string, number>()
  bus.onReport((report) => reports.push(report))
  const images: ImageTransfer = {
    fetch: async () => {},
    store: async (id, source) => {
      const { size } = await stat(source)
      rmSync(source)
      stored.set(id, size)
      return { sizeBytes: size }
    },
    ...options.images,
  }
  let journal: Journal
  let agent: Agent

  async function boot(): Promise<void> {
    journal = openJournal(journalPath)
    agent = createAgent({
      config: { ...defaultConfig.agent, ...options.config },
      hostName: harnessHost,
      hostId: '00000000-0000-4000-8000-000000000001',
      hypervisor,
      disks,
      bus,
      images,
      journal,
      machine: options.machine ?? simulatedMachine(),
      clock: options.clock ?? systemClock,
      log: silentLogger(),
    })
    await agent.start()
  }

  async function shutDown(): Promise<void> {
    await agent.stop()
    await journal.close()
  }

  await boot()
  const harness: AgentHarness = {
    bus,
    hypervisor,
    disks,
    reports,
    stored,
    get agent() {
      return agent
    },
    send: (verb, serverId, params, id) => bus.send(commandOf(verb, serverId, params, id)),
    async must(verb, serverId, params, id) {
      const outcome = await harness.send(verb, serverId, params, id)
      if (!outcome.ok) throw new Error(`${verb} failed: ${JSON.stringify(outcome.fault)}`)
      return outcome.result
    },
    async spawn() {
      const spec = newSpec()
      await harness.must('spawn', spec.id, { spec })
      return spec
    },
    async restart(between) {
      await shutDown()
      await between?.()
      await boot()
    },
    powerReports: () => reports.filter((report) => report.type === 'power'),
    census: () => reports.findLast((report): report is CensusReport => report.type === 'census')!.servers,
    async [Symbol.asyncDispose]() {
      await shutDown()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return harness
}

export function commandOf<V extends Verb>(
  verb: V,
  serverId: string,
  params: CommandTable[V]['params'],
  id: string = newUuid(),
): Command<V> {
  return { version: 1, id, host: harnessHost, serverId, verb, params, requestId: newRequestId() }
}

let serverNumber = 0

export function newSpec(overrides: Partial<ServerSpec> = {}): ServerSpec {
  serverNumber++
  return {
    id: newUuid(),
    domainName: domainNameOf(serverNumber),
    name: `server ${serverNumber}`,
    hostname: `server-${serverNumber}`,
    projectId: 'a'.repeat(32),
    projectName: 'project',
    userId: 'b'.repeat(32),
    userName: 'user',
    createdAt: 1_700_000_000_000,
    flavor: {
      id: '1',
      name: 'm1.tiny',
      vcpus: 1,
      memoryMiB: 128,
      rootGiB: 1,
      ephemeralGiB: 0,
      swapMiB: 0,
      extraSpecs: {},
    },
    image: {
      id: '11111111-2222-4333-8444-555555555555',
      name: 'image',
      diskFormat: 'qcow2',
      sizeBytes: 1_048_576,
      sha512: '0'.repeat(128),
      minDiskGiB: 0,
      properties: {},
    },
    machineType: null,
    ...overrides,
  }
}
