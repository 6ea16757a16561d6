/** Servers of a lab with Lodge in it, for tests: made, asked for and counted over the API and by each host's virsh. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lab, LabHost } from '../../src/lab/lab.ts'
import type { LabCloud } from '../../src/lab/start-cloud.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'

export interface LabServers {
  api: OpenStackApi
  /** Asks for a server of the test guest. @returns its id */
  create(name: string, host?: string): Promise<string>
  act(id: string, action: object): Promise<void>
  show(id: string): Promise<ShownServer>
  /** Waits for the status, on a host for which `where` holds. @returns that host's name */
  reach(id: string, status: string, where?: (host: string) => boolean): Promise<string>
  console(id: string): Promise<string>
  forceDown(host: string, down: boolean): Promise<void>
  /** Names of the hosts that are up and on which the guest runs, by libvirt. */
  runningOn(id: string): Promise<string[]>
}

export interface ShownServer {
  status: string
  host: string
  task: string | null
  fault: string
}

/**
 * Brings an image and a flavor for it into the cloud: the test guest's; or, `blank`, an empty disk for guests that stay in
 * their firmware, of which a small machine bears many.
 */
export async function labServers(
  lab: Lab,
  cloud: LabCloud,
  { blank = false }: { blank?: boolean } = {},
): Promise<LabServers> {
  // Up to 2.94 a server runs after its evacuation if it ran before.
  const api = await login(cloud.cloudsFile, cloud.url, '2.90')
  const data = blank ? tinyQcow2() : await guestImage(lab)
  const wanted = { name: 'guest', disk_format: 'qcow2', container_format: 'bare' }
  const imageRef: string = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageRef}/file`, data)
  const flavor = { name: 'tiny', vcpus: 1, ram: blank ? 64 : 128, disk: 1 }
  const flavorRef: string = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id

  const servers: LabServers = {
    api,
    async create(name, host) {
      const placed = host === undefined ? {} : { availability_zone: `nova:${host}` }
      const server = { name, imageRef, flavorRef, networks: 'none', ...placed }
      return (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
    },
    async act(id, action) {
      await api.must('POST', `/compute/v2.1/servers/${id}/action`, action)
    },
    async show(id) {
      const { server } = (await api.must('GET', `/compute/v2.1/servers/${id}`)).body
      return {
        status: server.status,
        host: server['OS-EXT-SRV-ATTR:host'],
        task: server['OS-EXT-STS:task_state'],
        fault: JSON.stringify(server.fault ?? null),
      }
    },
    reach: (id, status, where = () => true) =>
      until(
        `server ${id} to be ${status}`,
        180_000,
        async () => {
          const seen = await servers.show(id)
          if (status !== 'ERROR') assert.notEqual(seen.status, 'ERROR', seen.fault)
          return seen.status === status && seen.task === null && where(seen.host) ? seen.host : undefined
        },
        300,
      ),
    async console(id) {
      const answer = await api.must('POST', `/compute/v2.1/servers/${id}/action`, {
        'os-getConsoleOutput': {},
      })
      return answer.body.output
    },
    async forceDown(host, down) {
      const { services } = (
        await api.must('GET', `/compute/v2.1/os-services?host=${host}&binary=nova-compute`)
      ).body
      await api.must('PUT', `/compute/v2.1/os-services/${services[0].id}`, { forced_down: down })
    },
    async runningOn(id) {
      const found = await Promise.all(
        lab.hosts.map(async (host) => ((await runningIn(host)).includes(id) ? [host.name] : [])),
      )
      return found.flat()
    },
  }
  return servers
}

async function guestImage({ directory }: Lab): Promise<Buffer> {
  const { path } = await buildGuestImage({ directory: join(directory, 'images') })
  return readFileSync(path)
}

/**
 * Looks all the time, until it is stopped, whether one of the guests runs on two hosts at once.
 * @returns how to stop; that gives what was seen of it, and how often it was looked
 */
export function watchForTwins(
  lab: Lab,
  ids: readonly string[],
): () => Promise<{ twins: string[]; looks: number }> {
  const twins: string[] = []
  let looks = 0
  const stop = new AbortController()
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const running = (await Promise.all(lab.hosts.map(runningIn))).flat()
      for (const id of ids) if (running.filter((one) => one === id).length > 1) twins.push(id)
      looks += 1
      await delay(200)
    }
  }
  const looking = loop()
  return async () => {
    stop.abort()
    await looking
    return { twins, looks }
  }
}

/** A domain that libvirt is about to start counts as paused, and one on its way here, too. */
async function runningIn(host: LabHost): Promise<string[]> {
  if (!host.isUp()) return []
  const words = ['virsh', '-q', 'list', '--uuid', '--state-running']
  const { stdout } = await host.exec(words).catch(() => ({ stdout: '' }))
  return stdout.split('\n').filter((line) => line !== '')
}
