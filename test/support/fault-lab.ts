/** A lab of two hosts with Lodge, for tests that break parts of it in the middle of what it does. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  appendFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultConfig } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import { openStoreReadOnly } from '../../src/daemon/open-store.ts'
import { stateDirectory } from '../../src/daemon/state-directory.ts'
import type { Lab, LabHost, LabService } from '../../src/lab/lab.ts'
import { startCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import type { Migration } from '../../src/model/migration.ts'
import type { Server } from '../../src/model/server.ts'
import { powerState } from '../../src/model/server-state.ts'
import { listSteps } from '../../src/store/action-steps.ts'
import { listActions } from '../../src/store/actions.ts'
import { listMigrations } from '../../src/store/server-migrations.ts'
import { getServer } from '../../src/store/servers.ts'
import type { Store } from '../../src/store/store.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { login, type Answer, type OpenStackApi } from './openstack-api.ts'
import { until } from './until.ts'

/** A host counts as down after so many seconds of silence; libvirt gives up on a silent peer sooner. */
export const downAfterSeconds = 12

export interface FaultLab {
  readonly lab: Lab
  readonly hosts: readonly [LabHost, LabHost]
  /** A guest that is up, on the first host. */
  create(name: string, options: { booted: boolean }): Promise<string>
  /** A request to compute, again and again while the controller is away. Any status is an answer. */
  ask(method: string, path: string, body?: unknown): Promise<Answer>
  act(serverId: string, action: object): Promise<void>
  server(id: string): Promise<Server>
  migration(serverId: string): Promise<Migration | undefined>
  /** The event of the step that the server's last action is at; undefined between two. */
  openStep(serverId: string): Promise<string | undefined>
  /** Stops a service where it is, until `thaw`. */
  freeze(service: LabService): void
  /** Lets that service, or all, go on. */
  thaw(service?: LabService): void
  /** Everything that does not agree about where the server is, and hosts that are not up; none when all is well. */
  disagreements(id: string): Promise<string[]>
  stop(): Promise<void>
}

export async function startFaultLab(): Promise<FaultLab> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-faults-'))
  const lab = await startLab({ hosts: 2, directory: join(directory, 'lab') })
  const hosts = lab.hosts as unknown as [LabHost, LabHost]
  let store: Store | undefined
  const stop = async (): Promise<void> => {
    await store?.close()
    await lab.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await hasten(hosts)
    const cloud = await startCloud(lab, {
      controller: { hosts: { downAfterSeconds }, quota: { instances: -1, cores: -1, ramMiB: -1 } },
      agent: { reportSeconds: 3, reconcileSeconds: 8, reservedMemoryMiB: 0, memoryAllocationRatio: 16 },
    })
    store = await openStoreReadOnly(defaultConfig, stateDirectory(cloud.stateDirectory))
    const api = await login(cloud.cloudsFile, cloud.url)
    const things = await upload(api, directory)
    return { ...parts(lab, hosts, api, store, things), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** libvirt notices a peer that is silent after six seconds, as after half a minute by itself. */
async function hasten(hosts: readonly LabHost[]): Promise<void> {
  for (const host of hosts) {
    for (const file of ['qemu.conf', 'libvirtd.conf'])
      appendFileSync(join(host.directory, 'etc', file), 'keepalive_interval = 1\nkeepalive_count = 5\n')
    await restarted(host.service('libvirtd'))
  }
  for (const host of hosts)
    await until('libvirtd', 60_000, () =>
      host.exec(['virsh', '-q', 'list']).then(
        () => true,
        () => false,
      ),
    )
}

/** Kills a service and waits for its next life. */
export async function restarted(service: LabService): Promise<void> {
  const before = service.pid()
  await service.kill()
  await until(`another ${service.name}`, 20_000, () => ![undefined, before].includes(service.pid()))
}

interface Things {
  imageRef: string
  flavorRef: string
}

async function upload(api: OpenStackApi, directory: string): Promise<Things> {
  mkdirSync(join(directory, 'images'))
  const image = await buildGuestImage({ directory: join(directory, 'images') })
  const wanted = { name: 'guest', disk_format: 'qcow2', container_format: 'bare' }
  const imageRef: string = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageRef}/file`, readFileSync(image.path))
  const flavor = { name: 'tiny', vcpus: 1, ram: 128, disk: 1 }
  const flavorRef: string = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  return { imageRef, flavorRef }
}

function parts(
  lab: Lab,
  hosts: readonly [LabHost, LabHost],
  api: OpenStackApi,
  { db }: Store,
  things: Things,
): Omit<FaultLab, 'stop'> {
  const frozen = new Set<LabService>()
  const directoryOf = (host: LabHost, id: string): string =>
    join(host.directory, 'lib/lodge/agent/servers', id)

  const server = async (id: string): Promise<Server> => {
    const found = await getServer(db, id, { deleted: true })
    if (!found) throw new LodgeError('notFound', `no server ${id}`)
    return found
  }
  const ask: FaultLab['ask'] = (method, path, body) =>
    until(`an answer to ${method} ${path}`, 60_000, () =>
      api.call(method, `/compute/v2.1${path}`, body).catch(() => undefined),
    )
  const migration = async (serverId: string): Promise<Migration | undefined> =>
    (await listMigrations(db, { serverId }, { limit: 1 }))[0]

  async function downHosts(): Promise<string[]> {
    const { hypervisors } = (await ask('GET', '/os-hypervisors')).body
    const down = hypervisors.filter(({ state }: { state: string }) => state !== 'up')
    return down.map((one: { hypervisor_hostname: string }) => one.hypervisor_hostname)
  }

  async function disagreements(id: string): Promise<string[]> {
    const { host: home, vmState, taskState, powerState: power } = await server(id)
    const found: string[] = []
    if (taskState !== null) found.push(`the server is ${taskState}`)
    const status = (await migration(id))?.status
    if (!['completed', 'failed', 'error', 'cancelled', undefined].includes(status))
      found.push(`the migration is ${status}`)
    const allocations = await db
      .selectFrom('allocations')
      .select('host')
      .where('server_id', '=', id)
      .execute()
    if (allocations.map(({ host }) => host).join() !== home)
      found.push(`allocated on ${allocations.map(({ host }) => host).join()}, not ${home}`)
    for (const host of hosts) {
      const domain = await domainOn(host, id)
      const expected = host.name !== home ? undefined : vmState === 'active' ? 'running' : 'shut off'
      if (domain !== expected && !(host.name === home && vmState === 'stopped' && domain === undefined))
        found.push(`${host.name} has it ${domain ?? 'not'}; the server is ${vmState} on ${home}`)
      if (existsSync(directoryOf(host, id)) !== (host.name === home))
        found.push(`${host.name} has ${host.name === home ? 'no' : 'a'} disk of it`)
      const staged = readdirSync(join(host.directory, 'lib/lodge/agent/staging'))
      if (staged.length > 0) found.push(`${host.name} has ${staged.join()} left in staging`)
    }
    if ((power === powerState.RUNNING) !== (vmState === 'active'))
      found.push(`${vmState} with power state ${power}`)
    for (const name of await downHosts()) found.push(`${name} is down`)
    return [...found, ...(await findViolations(db, Date.now()))]
  }

  return {
    lab,
    hosts,
    async create(name, { booted }) {
      await until('all hosts', 60_000, async () => (await downHosts()).length === 0)
      const body = {
        server: { name, ...things, networks: 'none', availability_zone: `nova:${hosts[0].name}` },
      }
      const answer = await ask('POST', '/servers', body)
      const id: string = answer.body.server?.id
      if (!id) throw new LodgeError('internal', `no server: ${JSON.stringify(answer.body)}`)
      await until(`server ${name}`, 120_000, async () => (await server(id)).vmState === 'active')
      const log = join(directoryOf(hosts[0], id), 'console.log')
      if (booted) await until('its guest', 120_000, () => /up after/.test(readFileSync(log, 'utf8')))
      return id
    },
    ask,
    async act(serverId, action) {
      const { status, body } = await ask('POST', `/servers/${serverId}/action`, action)
      if (status >= 400)
        throw new LodgeError('internal', `${Object.keys(action)[0]} was refused: ${JSON.stringify(body)}`)
    },
    server,
    migration,
    async openStep(serverId) {
      const [action] = (await listActions(db, serverId)) ?? []
      return action && (await listSteps(db, action.id)).find(({ finishedAt }) => finishedAt === null)?.event
    },
    freeze(service) {
      service.signal('SIGSTOP')
      frozen.add(service)
    },
    thaw(service) {
      for (const one of service ? [service] : frozen) {
        frozen.delete(one)
        if (one.pid() !== undefined) one.signal('SIGCONT')
      }
    },
    disagreements,
  }
}

/** What the host's libvirt says of a domain; undefined for none. */
export async function domainOn(host: LabHost, id: string): Promise<string | undefined> {
  try {
    return (await host.exec(['virsh', '-q', 'domstate', id])).stdout.trim()
  } catch (error) {
    if (/failed to get domain|Domain not found/i.test(String(error))) return undefined
    throw error
  }
}
