import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LodgeError } from '../../src/base/errors.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { freePort } from '../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../support/lodge-process.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'
import { findLibvirt } from './find-libvirt.ts'
import { followConsole } from './guest-console.ts'
import type { Progress } from './progress.ts'
import { removeDomains, removeServers } from './remove-servers.ts'
import type { UndoList } from './undo.ts'

export interface StoryOptions {
  /** Ours, and empty; everything is made in it. */
  directory: string
  logFile: string
  libvirtUri: string | undefined
  progress: Progress
  undo: UndoList
  signal: AbortSignal
}

export interface Ending {
  lodge: LodgeProcess
  api: OpenStackApi
  serverId: string
  /** From the first step to ACTIVE. */
  secondsToActive: number
}

export const names = { image: 'lodge-guest', flavor: 'demo.tiny', server: 'hello' }

const guestCache = join(import.meta.dirname, '../../.cache/guest-image')
const compute = '/compute/v2.1'

/**
 * What the demo shows: from a machine with nothing running to a guest that asks for a login, through the same HTTP
 * that any OpenStack client speaks.
 */
export async function tellStory(options: StoryOptions): Promise<Ending> {
  const { directory, progress, undo, signal } = options
  const started = performance.now()
  /** Waits for something of Lodge's, unless the user has had enough. */
  const wait = <T>(what: string, probe: () => Promise<T | undefined>): Promise<T> =>
    until(what, 120_000, () => {
      signal.throwIfAborted()
      return probe()
    })

  const libvirt = await progress.step('Find libvirt', async (note) => {
    const found = await findLibvirt(options.libvirtUri, directory)
    undo.add('libvirtd', found.stop)
    if (!found.private) undo.add('domains', () => removeDomains(found.uri, directory))
    note(found.private ? 'none was running; started a private one' : found.uri)
    return found
  })

  const image = await progress.step('Build a guest image', async (note) => {
    const built = await buildGuestImage({ directory: guestCache })
    note(`${basename(built.path)}, ${(built.sizeBytes / 2 ** 20).toFixed(1)} MiB`)
    return built
  })

  const lodge = await progress.step('Start Lodge', async (note) => {
    const up = await startLodge({
      state: join(directory, 'state'),
      port: await freePort(),
      flags: ['--libvirt-uri', libvirt.uri],
      logFile: options.logFile,
      detached: true,
      signal,
    })
    undo.add('Lodge', async () => void (await up.stop()))
    note(`lodge up, at ${up.url}`)
    return up
  })

  const api = await progress.step('Log in with the clouds.yaml that it wrote', async (note) => {
    const session = await login(lodge.cloudsFile, lodge.url, '2.90')
    undo.add('servers', () => removeServers(session))
    note('admin, by password')
    return session
  })

  await progress.step('Wait for this host to report', async (note) => {
    const host = await wait('this host to report', async () => {
      const { body } = await api.must('GET', `${compute}/os-hypervisors/detail`)
      return (body.hypervisors as Record<string, unknown>[]).find(({ state }) => state === 'up')
    })
    note(`${host['hypervisor_hostname']}, ${host['hypervisor_type']}`)
  })

  const imageId = await progress.step('Upload the image', async (note) => {
    const wanted = { name: names.image, disk_format: image.format, container_format: 'bare' }
    const { body } = await api.must('POST', '/image/v2/images', { ...wanted, visibility: 'public' })
    await api.must('PUT', `/image/v2/images/${body.id}/file`, readFileSync(image.path))
    const { status } = (await api.must('GET', `/image/v2/images/${body.id}`)).body
    if (status !== 'active') throw new LodgeError('internal', `The image is ${status}, not active.`)
    note(`image ${body.id}`)
    return body.id as string
  })

  const flavorId = await progress.step('Create a flavor', async (note) => {
    const flavor = { name: names.flavor, vcpus: 1, ram: 128, disk: 1 }
    const { body } = await api.must('POST', `${compute}/flavors`, { flavor })
    note('1 vCPU, 128 MiB')
    return body.flavor.id as string
  })

  const serverId = await progress.step('Ask for a server', async (note) => {
    const server = { name: names.server, imageRef: imageId, flavorRef: flavorId, networks: 'none' }
    const { status, body } = await api.must('POST', `${compute}/servers`, { server })
    note(`${status}, server ${body.server.id}`)
    return body.server.id as string
  })

  await progress.step('Wait until it is ACTIVE', async (note) => {
    await wait('the server to become ACTIVE', async () => {
      const { server } = (await api.must('GET', `${compute}/servers/${serverId}`)).body
      if (server.status === 'ERROR')
        throw new LodgeError(
          'internal',
          `The server is in ERROR: ${server.fault?.message ?? 'no fault given'}`,
        )
      note([server.status, server['OS-EXT-STS:task_state']].filter(Boolean).join(', '))
      return server.status === 'ACTIVE' || undefined
    })
  })
  const secondsToActive = (performance.now() - started) / 1000

  await progress.step('Follow its console up to the login', async (note) => {
    const print = (line: string): void => progress.print(`   | ${line}`)
    await followConsole({ api, serverId, milliseconds: 90_000, print, signal })
    note('the guest is up')
  })
  return { lodge, api, serverId, secondsToActive }
}
