/** The real agent over a real libvirt, with files for its disks and a folder for its images. */
import { createHash } from 'node:crypto'
import { constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { chmod, copyFile, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { openJournal, type Journal } from '../../src/agent/journal.ts'
import { thisMachine } from '../../src/agent/machine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { Bus } from '../../src/bus/bus.ts'
import { createInProcessBus } from '../../src/bus/in-process.ts'
import type { CommandTable, Verb } from '../../src/contract/command.ts'
import type { ImageTransfer } from '../../src/contract/image-transfer.ts'
import type { Report } from '../../src/contract/report.ts'
import type { Hypervisor } from '../../src/hypervisor/hypervisor.ts'
import { openLibvirtHypervisor } from '../../src/hypervisor/libvirt/libvirt-hypervisor.ts'
import type { DiskFormat, ServerImage, ServerSpec } from '../../src/model/server-spec.ts'
import { commandOf, harnessHost, newSpec } from './agent-harness.ts'
import { until } from './until.ts'

export interface LibvirtAgent {
  bus: Bus
  /** Of the agent that runs now. */
  readonly hypervisor: Hypervisor
  reports: Report[]
  must<V extends Verb>(
    verb: V,
    serverId: string,
    params: CommandTable[V]['params'],
  ): Promise<CommandTable[V]['result']>
  /** The image that a file is, stored under a new id. */
  addImage(file: string, diskFormat: DiskFormat): Promise<ServerImage>
  /** The image that a snapshot has stored under this id. */
  storedImage(id: string, diskFormat: DiskFormat): Promise<ServerImage>
  /** What is done before an image is handed out; the test may make it wait or fail. */
  beforeFetch: () => Promise<void>
  console(serverId: string): Promise<string>
  /** Waits for a line of the serial console and returns its first group. */
  untilConsole(serverId: string, line: RegExp): Promise<string>
  /** What the agent keeps on disk, by folder. */
  kept(): { servers: string[]; images: string[]; staging: string[] }
  /** Stops the agent and its connection; work under way is left where it is. */
  stop(): Promise<void>
  /** Starts an agent over the same journal and disks, with a connection of its own. */
  start(): Promise<void>
}

/** @param directory a folder of the caller's; agent state goes below it */
export async function startLibvirtAgent(uri: string, directory: string): Promise<LibvirtAgent> {
  const state = join(directory, 'state')
  const imageDirectory = join(directory, 'images')
  for (const path of [state, imageDirectory]) mkdirSync(path, { recursive: true })
  const imagePath = (id: string): string => join(imageDirectory, id)
  const bus = createInProcessBus()
  const reports: Report[] = []
  bus.onReport((report) => reports.push(report))
  const images: ImageTransfer = {
    async fetch(id, target) {
      await bed.beforeFetch()
      if (!existsSync(imagePath(id))) throw new LodgeError('notFound', `The data of image ${id} is gone`)
      await copyFile(imagePath(id), target, constants.COPYFILE_EXCL)
      await chmod(target, 0o600)
    },
    async store(id, source) {
      await rename(source, imagePath(id))
      return { sizeBytes: statSync(imagePath(id)).size }
    },
  }
  let running: { hypervisor: Hypervisor; agent: Agent; journal: Journal } | undefined

  async function start(): Promise<void> {
    const common = { clock: systemClock, log: silentLogger() }
    const config = defaultConfig.agent
    const hypervisor = await openLibvirtHypervisor({ uri, virtType: 'auto', ...common })
    const journal = openJournal(join(state, 'journal.sqlite'))
    const disks = createFileDisks({
      host: 'here',
      directory: state,
      images,
      toolLimits: config.imageTool,
      ...common,
    })
    const agent = createAgent({
      config,
      hostName: harnessHost,
      hostId: '00000000-0000-4000-8000-000000000001',
      hypervisor,
      disks,
      bus,
      images,
      journal,
      machine: thisMachine(),
      ...common,
    })
    await agent.start()
    running = { hypervisor, agent, journal }
  }

  async function storedImage(id: string, diskFormat: DiskFormat): Promise<ServerImage> {
    const bytes = await readFile(imagePath(id))
    return {
      id,
      name: id,
      diskFormat,
      sizeBytes: bytes.length,
      sha512: createHash('sha512').update(bytes).digest('hex'),
      minDiskGiB: 0,
      properties: {},
    }
  }

  const bed: LibvirtAgent = {
    bus,
    reports,
    get hypervisor() {
      if (!running) throw new LodgeError('unavailable', 'No agent runs')
      return running.hypervisor
    },
    async must(verb, serverId, params) {
      const outcome = await bus.send(commandOf(verb, serverId, params))
      if (!outcome.ok)
        throw new LodgeError(
          'internal',
          `${verb} failed: ${outcome.fault.message} (${outcome.fault.details})`,
        )
      return outcome.result
    },
    async addImage(file, diskFormat) {
      const id = newUuid()
      await copyFile(file, imagePath(id))
      return storedImage(id, diskFormat)
    },
    storedImage,
    beforeFetch: async () => {},
    async console(serverId) {
      const params = { serverId, length: null }
      return (await bus.ask({ version: 1, host: harnessHost, name: 'consoleOutput', params })).output
    },
    async untilConsole(serverId, line) {
      const found = await until(
        `the console to say ${line}`,
        60_000,
        async () => line.exec(await bed.console(serverId)) ?? undefined,
      )
      return found[1] ?? found[0]
    },
    kept() {
      const list = (name: string): string[] => {
        const path = join(state, name)
        return existsSync(path) ? readdirSync(path).sort() : []
      }
      return { servers: list('servers'), images: list('images'), staging: list('staging') }
    },
    async stop() {
      await running?.agent.stop()
      await running?.journal.close()
      await running?.hypervisor.close()
      running = undefined
    },
    start,
  }
  await start()
  return bed
}

/** A server of the test guest's size, with a root disk of the image's. */
export const guestSpec = (image: ServerImage): ServerSpec => {
  const spec = newSpec({ image })
  return { ...spec, flavor: { ...spec.flavor, rootGiB: 0 } }
}
