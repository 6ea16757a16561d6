import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { createAgent, type Agent, type AgentOptions } from '../agent/agent.ts'
import { openHttpsTransfer, type HttpsDiskTransfer } from '../agent/disk-transfer/https-transfer.ts'
import { createInProcessDiskTransfer } from '../agent/disk-transfer/in-process-transfer.ts'
import { createFileDisks } from '../agent/disk/file-disks.ts'
import { createSimulatedDisks } from '../agent/disk/simulated-disks.ts'
import { openJournal } from '../agent/journal.ts'
import { simulatedMachine, thisMachine } from '../agent/machine.ts'
import { aroundCommands, readMishaps, type CommandMishaps } from '../agent/simulated-commands.ts'
import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { Logger } from '../base/logging.ts'
import { seededRandom } from '../base/seeded-random.ts'
import type { Bus } from '../bus/bus.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import { openLibvirtHypervisor } from '../hypervisor/libvirt/libvirt-hypervisor.ts'
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
} from '../hypervisor/simulated/simulated-hypervisor.ts'
import type { SimulatedPeers } from '../hypervisor/simulated/simulated-migration.ts'
import { createFailingHost } from './failing-host.ts'
import { startHostFailures } from './host-failures.ts'
import { hostIdentity, simulatedHostId } from './host-identity.ts'
import type { StateDirectory } from './state-directory.ts'

export interface AgentsOptions {
  config: Config
  state: StateDirectory
  bus: Bus
  images: ImageTransfer
  clock: Clock
  log: Logger
  /** There are other hosts, to which servers may go while this one is away. */
  ofFleet?: boolean
}

type HostParts = Pick<AgentOptions, 'hostName' | 'hostId' | 'hypervisor' | 'disks' | 'machine' | 'around'> & {
  /** The hypervisor, where it is one that can be made to fail. */
  simulated?: SimulatedHypervisor
}

/**
 * Starts the agent of this host, or as many simulated hosts as the settings ask for. Returns how to stop them.
 * @throws LodgeError unavailable when libvirt does not answer at the first start on this state directory, and when a
 * host of a fleet cannot take disks
 */
export async function startAgents(options: AgentsOptions): Promise<() => Promise<void>> {
  const { config, state, bus, images, clock, log } = options
  const { hosts, first } = config.simulate
  const peers: SimulatedPeers = new Map()
  const mishaps = readMishaps(config.simulate)
  const remote = options.ofFleet === true ? await openToFleet(options) : undefined
  const transfer = remote ?? createInProcessDiskTransfer()
  const parts =
    hosts > 0
      ? Array.from({ length: hosts }, (_, index) => simulatedHost(options, mishaps, peers, first + index))
      : [await realHost(options).catch(closing(remote))]
  const journal = openJournal(state.journal)
  const makeAgent = (part: HostParts): Agent =>
    createAgent({
      ...part,
      config: config.agent,
      awaitsAdmission: options.ofFleet === true || hosts > 1,
      bus,
      images,
      transfer,
      journal,
      clock,
      log,
    })
  const failing = parts.flatMap((part) =>
    part.simulated ? [createFailingHost(part.hostName, part.simulated, () => makeAgent(part))] : [],
  )
  const agents = failing.length > 0 ? failing : parts.map(makeAgent)
  let endFailures = async (): Promise<void> => {}
  const stop = async (): Promise<void> => {
    await endFailures()
    await Promise.all(agents.map((agent) => agent.stop()))
    await remote?.close()
    await journal.close()
    await Promise.all(parts.map(({ hypervisor }) => hypervisor.close()))
  }
  try {
    await Promise.all(agents.map((agent) => agent.start()))
  } catch (error) {
    await stop()
    throw error
  }
  const random = seededRandom(config.simulate.seed)
  endFailures = startHostFailures({ hosts: failing, settings: config.simulate, clock, random, log })
  return stop
}

/** libvirt's port for TLS is the one before. */
const diskPort = 16_515

/** What agents of other processes send disks to. One listener does for all hosts of this process. */
function openToFleet({ config, log }: AgentsOptions): Promise<HttpsDiskTransfer> {
  const { diskTransfer, migration } = config.agent
  const { hostIp } = thisMachine()
  return openHttpsTransfer({
    listen: diskTransfer.listen,
    port: diskTransfer.port ?? (config.simulate.hosts > 0 ? 0 : diskPort),
    address: async () => migration.address ?? (await hostIp()),
    idleMs: diskTransfer.idleSeconds * 1000,
    bandwidthMiBps: diskTransfer.bandwidthMiBps,
    log: log.child({ room: 'disk-transfer' }),
  })
}

const closing =
  (transfer: HttpsDiskTransfer | undefined) =>
  async (error: unknown): Promise<never> => {
    await transfer?.close()
    throw error
  }

async function realHost({ config, state, images, clock, log }: AgentsOptions): Promise<HostParts> {
  const { libvirtUri: uri, virtType, imageTool } = config.agent
  const hypervisor = await openLibvirtHypervisor({
    uri,
    virtType,
    // At the first start it is more likely that there is no libvirt than that it is just away.
    patient: existsSync(state.hostIdFile),
    clock,
    log: log.child({ room: 'libvirt' }),
  })
  const hostName = config.agent.hostName ?? hostname()
  return {
    hostName,
    hostId: hostIdentity(state.hostIdFile),
    hypervisor,
    disks: createFileDisks({
      directory: config.agent.instancesDirectory ?? state.agent,
      host: hostName,
      shared: config.agent.instancesDirectory !== null,
      images,
      clock,
      log,
      toolLimits: imageTool,
      reserveMiB: config.image.reserveMiB,
    }),
    machine: thisMachine(),
  }
}

function simulatedHost(
  { config, clock }: AgentsOptions,
  mishaps: CommandMishaps,
  peers: SimulatedPeers,
  number: number,
): HostParts {
  // Apart from that of the next host, and of the next seed.
  const seed = config.simulate.seed * 1_000_003 + number
  const hostName = `simulated-${number}`
  const simulated = createSimulatedHypervisor({
    clock,
    seed,
    latency: config.simulate.latencyMs,
    name: hostName,
    peers,
  })
  return {
    hostName,
    hostId: simulatedHostId(number),
    hypervisor: simulated,
    simulated,
    disks: createSimulatedDisks({ host: hostName }),
    machine: simulatedMachine({ loadAverage: () => swingingLoad(number, clock.now()) }),
    around: aroundCommands(mishaps, clock, seededRandom(seed)),
  }
}

/** As on real hosts no two reports are the same: some load, other for each host, that swings within the hour. */
function swingingLoad(number: number, now: number): [number, number, number] {
  const at = (minutes: number): number =>
    Math.round((number % 8) * (1 + Math.sin(now / 600_000 - minutes / 10 + number)) * 50) / 100
  return [at(1), at(5), at(15)]
}
