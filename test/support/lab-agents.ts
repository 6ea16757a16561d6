/** The real agents of a lab's hosts, in this process, with a folder of images and disks of their own each. */
import { createHash } from 'node:crypto'
import { constants, mkdirSync } from 'node:fs'
import { chmod, copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { openJournal, type Journal } from '../../src/agent/journal.ts'
import { thisMachine } from '../../src/agent/machine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig, type Config } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { Bus } from '../../src/bus/bus.ts'
import type { Disks } from '../../src/agent/disk/disks.ts'
import type { ImageTransfer } from '../../src/contract/image-transfer.ts'
import type { Hypervisor } from '../../src/hypervisor/hypervisor.ts'
import { openLibvirtHypervisor } from '../../src/hypervisor/libvirt/libvirt-hypervisor.ts'
import type { Lab, LabHost } from '../../src/lab/lab.ts'
import type { ServerImage } from '../../src/model/server-spec.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'

export interface LabAgent {
  host: LabHost
  hypervisor: Hypervisor
  disks: Disks
  /** The agent's settings about live migration; what is changed here counts for the next one. */
  migration: Config['agent']['migration']
  stop(): Promise<void>
}

export interface LabAgentsOptions {
  migration?: Partial<Config['agent']['migration']>
  /** All agents keep their disks in one directory. */
  sharedStorage?: boolean
  /** Other images than the test guest's, by their ids. */
  files?: Record<string, string>
}

export interface LabAgents {
  agents: Map<string, LabAgent>
  sharedStorage: boolean
  /** The test guest's. */
  image: ServerImage
  stop(): Promise<void>
}

export async function startLabAgents(
  lab: Lab,
  bus: Bus,
  directory: string,
  { migration = {}, sharedStorage = false, files = {} }: LabAgentsOptions = {},
): Promise<LabAgents> {
  const imageDirectory = join(directory, 'images')
  mkdirSync(imageDirectory, { recursive: true })
  const built = await buildGuestImage({ directory: imageDirectory })
  const bytes = await readFile(built.path)
  const images: ImageTransfer = {
    async fetch(id, target) {
      await copyFile(files[id] ?? built.path, target, constants.COPYFILE_EXCL)
      await chmod(target, 0o600)
    },
    store: async () => {
      throw new LodgeError('unavailable', 'This test stores no images')
    },
  }
  const agents = new Map<string, LabAgent>()
  for (const host of lab.hosts) {
    const state = join(directory, host.name)
    const storage = sharedStorage ? join(directory, 'shared') : state
    agents.set(host.name, await startLabAgent(host, bus, images, { state, storage }, migration))
  }
  return {
    agents,
    sharedStorage,
    image: {
      id: newUuid(),
      name: 'guest',
      diskFormat: 'qcow2',
      sizeBytes: bytes.length,
      sha512: createHash('sha512').update(bytes).digest('hex'),
      minDiskGiB: 0,
      properties: {},
    },
    stop: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.stop()))
    },
  }
}

async function startLabAgent(
  host: LabHost,
  bus: Bus,
  images: ImageTransfer,
  { state, storage }: { state: string; storage: string },
  migration: Partial<Config['agent']['migration']>,
): Promise<LabAgent> {
  for (const directory of [state, storage]) mkdirSync(directory, { recursive: true })
  const common = { clock: systemClock, log: silentLogger() }
  const config: Config['agent'] = {
    ...defaultConfig.agent,
    reservedMemoryMiB: 0,
    migration: {
      ...defaultConfig.agent.migration,
      address: host.address,
      uri: 'qemu+tcp://%s/system',
      tls: false,
      ...migration,
    },
  }
  const hypervisor = await openLibvirtHypervisor({ uri: host.libvirtUri, virtType: 'auto', ...common })
  const journal: Journal = openJournal(join(state, 'journal.sqlite'))
  const disks = createFileDisks({
    directory: storage,
    shared: storage !== state,
    host: host.name,
    images,
    toolLimits: config.imageTool,
    ...common,
  })
  const agent: Agent = createAgent({
    config,
    hostName: host.name,
    hostId: newUuid(),
    hypervisor,
    disks,
    bus,
    images,
    journal,
    machine: thisMachine(),
    ...common,
  })
  await agent.start()
  return {
    host,
    hypervisor,
    disks,
    migration: config.migration,
    stop: async () => {
      await agent.stop()
      await journal.close()
      await hypervisor.close()
    },
  }
}
