/** Images that come to hosts ahead of their first server; real disks and image cache, simulated guests. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAgent, type Agent } from '../../src/agent/agent.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { createImagePreheating } from '../../src/agent/image-preheating.ts'
import { openJournal } from '../../src/agent/journal.ts'
import { simulatedMachine } from '../../src/agent/machine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { preheatImages } from '../../src/conductor/preheat-images.ts'
import { createSimulatedHypervisor } from '../../src/hypervisor/simulated/simulated-hypervisor.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import type { ServerImage } from '../../src/model/server-spec.ts'
import { openStage, type Stage } from './conductor/stage.ts'

const bytes = tinyQcow2()
const image: ServerImage = {
  id: newUuid(),
  name: 'image',
  diskFormat: 'qcow2',
  sizeBytes: bytes.length,
  sha512: createHash('sha512').update(bytes).digest('hex'),
  minDiskGiB: 0,
  properties: {},
}
const common = { clock: systemClock, log: silentLogger() }

/** `fetched` counts the transfers of images to the host. */
async function startHost(stage: Stage, name: string, directory: string) {
  const state = join(directory, name)
  mkdirSync(state)
  const host = { fetched: 0, agent: undefined as unknown as Agent, stop: async () => {} }
  const images = {
    async fetch(_id: string, target: string) {
      host.fetched += 1
      await writeFile(target, bytes, { flag: 'wx', mode: 0o600 })
    },
    store: async (): Promise<never> => {
      throw new LodgeError('unavailable', 'This test stores no images')
    },
  }
  const config = stage.config.agent
  const journal = openJournal(join(state, 'journal.sqlite'))
  host.agent = createAgent({
    config,
    hostName: name,
    hostId: newUuid(),
    hypervisor: createSimulatedHypervisor({ name }),
    disks: createFileDisks({
      directory: state,
      host: name,
      images,
      toolLimits: config.imageTool,
      ...common,
    }),
    bus: stage.bus,
    images,
    journal,
    machine: simulatedMachine(),
    ...common,
  })
  await host.agent.start()
  host.stop = async () => {
    await host.agent.stop()
    await journal.close()
  }
  return host
}

test(
  'the first server on a host finds the image that was brought there ahead',
  { timeout: 60_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lodge-preheat-'))
    const stage = await openStage()
    const hosts = [await startHost(stage, 'h1', directory), await startHost(stage, 'h2', directory)]
    try {
      await stage.startConductor()
      const preheat = (names: string[], what = image): Promise<void> =>
        preheatImages({
          ask: stage.bus.ask,
          hosts: names,
          images: [what],
          parallel: 4,
          timeoutMs: 20_000,
          ...common,
        })
      await preheat(['h1', 'nowhere', 'h2'])
      assert.deepEqual(
        hosts.map(({ fetched }) => fetched),
        [1, 1],
      )
      await preheat(['h1'])
      const { id } = await stage.create({ image })
      await stage.conductor().idle()
      assert.equal((await stage.server(id)).vmState, 'active')
      assert.deepEqual(
        hosts.map(({ fetched }) => fetched),
        [1, 1],
        'neither a second request nor the server has fetched it again',
      )
      // What is not what it says comes to no cache, and troubles nobody.
      await preheat(['h1'], { ...image, sha512: 'b'.repeat(128) })
      assert.equal(hosts[0]!.fetched, 2)
    } finally {
      for (const host of hosts) await host.stop()
      await stage.close()
      rmSync(directory, { recursive: true, force: true })
    }
  },
)

test('a fetch that takes long is told of, and joined by who asks again', async () => {
  const arrived = Promise.withResolvers<void>()
  let fetches = 0
  let signal: AbortSignal | undefined
  const disks = {
    cacheImage: (_image: ServerImage, aborted?: AbortSignal) => {
      fetches += 1
      signal = aborted
      return arrived.promise
    },
  }
  const preheating = createImagePreheating(disks as never, systemClock, 20)
  assert.equal(await preheating.cache(image), 'under-way')
  assert.equal(await preheating.cache(image), 'under-way')
  assert.equal(fetches, 1)
  const last = preheating.cache(image)
  arrived.resolve()
  assert.equal(await last, 'cached')
  preheating.stop()
  assert.equal(signal?.aborted, true)
})

test('a fetch that fails is told to who waits, and begun anew by the next', async () => {
  let fetches = 0
  const disks = {
    cacheImage: async () => {
      fetches += 1
      if (fetches === 1) throw new LodgeError('notFound', 'gone')
    },
  }
  const preheating = createImagePreheating(disks as never, systemClock)
  await assert.rejects(preheating.cache(image), { kind: 'notFound' })
  assert.equal(await preheating.cache(image), 'cached')
})
