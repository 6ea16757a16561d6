/** A fleet in a lab whose servers are moved with their disks, over the agents' own TLS channel. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Lab, LabHost } from '../../src/lab/lab.ts'
import { startCloud, type LabCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { login, type OpenStackApi } from './openstack-api.ts'
import { until } from './until.ts'

/** What `openstack server show` shows to an administrator. */
// oxlint-disable-next-line typescript/no-explicit-any
export type ShownServer = Record<string, any>

export interface ColdMoves {
  readonly lab: Lab
  readonly cloud: LabCloud
  readonly api: OpenStackApi
  host(name: string): LabHost
  other(name: string): LabHost
  /** An image of that file; its id. */
  addImage(path: string): Promise<string>
  addFlavor(ramMiB: number, diskGiB: number): Promise<string>
  create(wanted: { imageRef: string; flavorRef: string; host: string }): Promise<string>
  show(id: string): Promise<ShownServer>
  act(id: string, action: object): Promise<void>
  /** Waits for the status, and throws at once for ERROR where that is not it. */
  reach(id: string, status: string, host?: string): Promise<ShownServer>
  /** Where libvirt knows the server, and which directories of disks there are; by host's name. */
  places(id: string): Promise<Record<string, { domain: string | null; directories: string[] }>>
  /** The one host where everything of the server is, and nothing of it elsewhere; all records agree. Waits for it. */
  assertOnlyAt(id: string, host: string): Promise<void>
  /** What the records contradict; hosts with an allocation for the server. */
  violations(): Promise<string[]>
  allocatedOn(id: string): Promise<string[]>
  /** Runs qemu-io on the server's disk where that is. */
  diskIo(id: string, host: LabHost, command: string): Promise<string>
  stop(): Promise<void>
}

/** On each host, and as seen from the machine. */
const serversOnHost = '/var/lib/libvirt/lodge/agent/servers'
export const serversOf = (host: LabHost): string => join(host.directory, 'lib/lodge/agent/servers')

export interface ColdMovesOptions {
  directory: string
  /** Of a transfer, MiB/s, so that one can be caught in the middle. */
  bandwidthMiBps?: number
  /** Guests that do not listen are switched off after so long. */
  shutdownTimeoutSeconds: number
}

/** Two hosts, `host1` and `host2`, that are quick to notice each other's absence. */
export async function openColdMoves(options: ColdMovesOptions): Promise<ColdMoves> {
  const lab = await startLab({ hosts: 2, directory: join(options.directory, 'lab') })
  let store: Store | undefined
  const stop = async (): Promise<void> => {
    await store?.close()
    await lab.stop()
  }
  try {
    const cloud = await startCloud(lab, {
      agent: {
        reportSeconds: 1,
        reconcileSeconds: 5,
        shutdownTimeoutSeconds: options.shutdownTimeoutSeconds,
        shutdownRetrySeconds: 2,
        diskTransfer: {
          listen: null,
          port: null,
          idleSeconds: 8,
          bandwidthMiBps: options.bandwidthMiBps ?? 0,
        },
      },
      controller: {
        hosts: { downAfterSeconds: 10 },
        conductor: { leaseSeconds: 5 },
        agent: { shutdownTimeoutSeconds: options.shutdownTimeoutSeconds, shutdownRetrySeconds: 2 },
      },
    })
    const api = await login(cloud.cloudsFile, cloud.url)
    store = await openSqliteStore({ path: join(cloud.stateDirectory, 'lodge.db'), readOnly: true })
    return { ...movesIn(lab, api, store), lab, cloud, api, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function movesIn(
  lab: Lab,
  api: OpenStackApi,
  { db }: Store,
): Omit<ColdMoves, 'lab' | 'cloud' | 'api' | 'stop'> {
  const host = (name: string): LabHost => lab.hosts.find((one) => one.name === name)!
  const servers = '/compute/v2.1/servers'

  async function show(id: string): Promise<ShownServer> {
    return (await api.must('GET', `${servers}/${id}`)).body.server
  }

  async function reach(id: string, status: string, on?: string): Promise<ShownServer> {
    return until(
      `${status}${on ? ` on ${on}` : ''}`,
      150_000,
      async () => {
        const server = await show(id)
        const isThere = server['status'] === status && server['OS-EXT-STS:task_state'] === null
        if (isThere && (on === undefined || server['OS-EXT-SRV-ATTR:host'] === on)) return server
        // With a task it is on its way out of that.
        const hasFailed = server['status'] === 'ERROR' && server['OS-EXT-STS:task_state'] === null
        assert.ok(!hasFailed, JSON.stringify(server['fault']))
        return undefined
      },
      300,
    )
  }

  async function places(id: string): ReturnType<ColdMoves['places']> {
    const found = lab.hosts.map(async (one) => {
      const domain = one.isUp()
        ? await one.exec(['virsh', 'domstate', id]).then(
            ({ stdout }) => stdout.trim(),
            () => null,
          )
        : null
      const directories = namesIn(serversOf(one)).filter((name) => name.startsWith(id))
      return [one.name, { domain, directories }] as const
    })
    return Object.fromEntries(await Promise.all(found))
  }

  const violations = (): Promise<string[]> => findViolations(db)

  async function allocatedOn(id: string): Promise<string[]> {
    const rows = await db.selectFrom('allocations').select('host').where('server_id', '=', id).execute()
    return rows.map((row) => row.host).sort()
  }

  return {
    host,
    other: (name) => lab.hosts.find((one) => one.name !== name)!,
    async addImage(path) {
      const wanted = { name: 'image', disk_format: 'qcow2', container_format: 'bare' }
      const { id } = (await api.must('POST', '/image/v2/images', wanted)).body
      await api.must('PUT', `/image/v2/images/${id}/file`, readFileSync(path))
      return id
    },
    async addFlavor(ram, disk) {
      const flavor = { name: `m${ram}d${disk}`, vcpus: 1, ram, disk }
      return (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
    },
    async create({ imageRef, flavorRef, host: on }) {
      const wanted = { name: 'one', imageRef, flavorRef, networks: 'none', availability_zone: `nova:${on}` }
      const { id } = (await api.must('POST', servers, { server: wanted })).body.server
      await reach(id, 'ACTIVE', on)
      return id
    },
    show,
    act: async (id, action) => void (await api.must('POST', `${servers}/${id}/action`, action)),
    reach,
    places,
    async assertOnlyAt(id, name) {
      let seen: unknown
      const wanted = JSON.stringify([[name, [id]]])
      await until(`the server to be at ${name} alone`, 60_000, async () => {
        const all = await places(id)
        const has = Object.entries(all).filter(([, one]) => one.domain !== null || one.directories.length > 0)
        const [allocated, wrong] = [await allocatedOn(id), await violations()]
        seen = { all, allocated, wrong }
        return (
          JSON.stringify(has.map(([on, { directories }]) => [on, directories])) === wanted &&
          all[name]!.domain !== null &&
          wrong.length === 0 &&
          JSON.stringify(allocated) === JSON.stringify([name])
        )
      }).catch((error: unknown) => {
        assert.fail(`${String(error)}: ${JSON.stringify(seen)}`)
      })
    },
    violations,
    allocatedOn,
    async diskIo(id, on, command) {
      const isRead = command.startsWith('read')
      const file = `${serversOnHost}/${id}/disk`
      const flags = isRead ? ['-r', '-U'] : []
      const { stdout } = await on.exec(['qemu-io', ...flags, '-f', 'qcow2', '-c', command, file])
      return stdout
    },
  }
}

/** A disk of that size with nothing on it, for guests that need not come up. */
export function emptyImage(directory: string, size: string): string {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'empty.qcow2')
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, size])
  return path
}

/** Bytes of a file, 0 where there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
