/**
 * The control plane as operators run it: several `lodge controller` processes on PostgreSQL and NATS, and simulated
 * hosts that speak to them over NATS; for tests that kill one or the other under a load.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { loadConfig } from '../../src/base/load-config.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { connectNats } from '../../src/bus/nats-connect.ts'
import { decodeReport } from '../../src/bus/nats-messages.ts'
import { workedInReports } from '../../src/bus/nats-subjects.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { CensusEntry } from '../../src/contract/report.ts'
import { startAgentProcess, type AgentProcess } from '../../src/daemon/agent-process.ts'
import { joinFleet } from '../../src/daemon/join-fleet.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { freePort } from './free-port.ts'
import { startLodge, type LodgeProcess } from './lodge-process.ts'
import { loginAs, readPassword, type OpenStackApi } from './openstack-api.ts'
import { startPrivateNats, type PrivateNats } from './private-nats.ts'
import { startPrivatePostgres, type PrivatePostgres } from './private-postgres.ts'
import { until } from './until.ts'

export interface ControlPlaneBed {
  readonly postgres: PrivatePostgres
  readonly nats: PrivateNats
  readonly controllers: LodgeProcess[]
  /** One for each controller, which lasts over its restarts. */
  readonly apis: OpenStackApi[]
  readonly imageId: string
  readonly flavorId: string
  /** Starts a controller that was killed, on the same port and state. */
  restart(index: number): Promise<void>
  /**
   * Holds the records against themselves and against what the hosts report of their guests.
   * @throws AssertionError for what differs
   */
  assertSound(): Promise<void>
  /** Runs `lodge doctor` on the first controller's settings; returns what it printed. */
  doctor(): { status: number | null; output: string }
  remove(): Promise<void>
}

const main = join(import.meta.dirname, '../../src/main.ts')

/** How often the hosts report all that they have, seconds. */
const censusSeconds = 2

export interface ControlPlaneBedOptions {
  controllers: number
  /** Simulated hosts, all in this process. */
  hosts: number
}

/** @throws what keeps one of its parts from starting, having ended the others */
export async function makeControlPlaneBed(options: ControlPlaneBedOptions): Promise<ControlPlaneBed> {
  const parts = new AsyncDisposableStack()
  try {
    return await startParts(options, parts)
  } catch (error) {
    await parts.disposeAsync()
    throw error
  }
}

async function startParts(
  options: ControlPlaneBedOptions,
  parts: AsyncDisposableStack,
): Promise<ControlPlaneBed> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-plane-'))
  parts.defer(() => rmSync(directory, { recursive: true, force: true }))
  const postgres = await startPrivatePostgres({ durable: true })
  parts.defer(() => postgres.stop())
  const nats = await startPrivateNats()
  parts.defer(() => nats.remove())
  const url = await postgres.database()
  const settings = join(directory, 'lodge.json')
  writeFileSync(settings, JSON.stringify({ store: { url }, bus: { url: nats.url } }))

  const controllers: LodgeProcess[] = []
  parts.defer(async () => {
    await Promise.all(controllers.map((controller) => controller.stop()))
  })
  const ports: number[] = []
  const stateOf = (index: number): string => join(directory, `controller-${index}`)
  const start = (index: number): Promise<LodgeProcess> =>
    startLodge({
      command: 'controller',
      state: stateOf(index),
      port: ports[index]!,
      flags: ['--config', settings],
    })
  for (let index = 0; index < options.controllers; index++) {
    ports.push(await freePort())
    // Controllers of one fleet have the same keys.
    cpSync(join(nats.state, 'fleet'), join(stateOf(index), 'fleet'), { recursive: true })
  }
  // The first one's clouds file has the administrator's password.
  controllers.push(await start(0))
  controllers.push(...(await Promise.all(ports.slice(1).map((_port, index) => start(index + 1)))))

  const admin = { user: 'admin', password: readPassword(controllers[0]!.cloudsFile), project: 'admin' }
  const apis: OpenStackApi[] = []
  for (const controller of controllers) apis.push(await loginAs(admin, controller.url))
  const agent = await startHosts(apis[0]!, join(directory, 'hosts'), options.hosts)
  parts.defer(() => agent.stop())
  const censuses = await listenToCensuses(nats)
  parts.defer(() => censuses.stop())
  const { imageId, flavorId } = await fill(apis[0]!)

  return {
    postgres,
    nats,
    controllers,
    apis,
    imageId,
    flavorId,
    restart: async (index) => {
      controllers[index] = await start(index)
    },
    assertSound: async () => {
      const since = Date.now()
      await until('each host to report its guests', 30_000, () => {
        const fresh = [...censuses.seen.values()].filter(({ at }) => at > since)
        return fresh.length === options.hosts
      })
      await assertAgreement(url, censuses.seen)
    },
    doctor: () => {
      const words = [main, 'doctor', '--state', stateOf(0), '--config', settings]
      const { status, stdout, stderr } = spawnSync(execPath, words, { encoding: 'utf8', timeout: 60_000 })
      return { status, output: stdout + stderr }
    },
    remove: () => parts.disposeAsync(),
  }
}

type Censuses = Map<string, { at: number; entries: CensusEntry[] }>

async function assertAgreement(url: string, censuses: Censuses): Promise<void> {
  const store = await openPostgresStore({ url, log: silentLogger(), readOnly: true, connections: 1 })
  try {
    const { db } = store
    assert.deepEqual(await findViolations(db, Date.now()), [])
    const servers = await db
      .selectFrom('servers')
      .select(['id', 'host'])
      .where('deleted_at', 'is', null)
      .execute()
    const allocations = await db.selectFrom('allocations').select(['server_id', 'host']).execute()
    const recorded = servers.map(({ id, host }) => `${id} on ${host}`).sort()
    assert.deepEqual(allocations.map((one) => `${one.server_id} on ${one.host}`).sort(), recorded)
    const guests = [...censuses].flatMap(([host, { entries }]) =>
      entries.filter((one) => one.hasDomain || one.hasDisk).map(({ serverId }) => `${serverId} on ${host}`),
    )
    assert.deepEqual(guests.sort(), recorded)
  } finally {
    await store.close()
  }
}

async function startHosts(api: OpenStackApi, state: string, hosts: number): Promise<AgentProcess> {
  const config = loadConfig(undefined, {
    stateDirectory: state,
    simulate: { hosts, latencyMs: 20 },
    agent: { reconcileSeconds: censusSeconds },
  })
  const invite = { invite: { host: 'simulated-*' } }
  const { token, url } = (await api.must('POST', '/lodge/v1/host-invites', invite)).body.invite
  await joinFleet({ config, url, token, simulated: true })
  return startAgentProcess({ config, log: silentLogger() })
}

/** The newest census of each host, beside the controllers that work them in. */
async function listenToCensuses(nats: PrivateNats) {
  const connection = await connectNats({
    url: nats.url,
    credentialsFile: nats.controllerCredentials,
    caFile: null,
    name: 'test',
  })
  const seen: Censuses = new Map()
  for (const subject of workedInReports)
    connection.subscribe(subject, {
      callback: (error, message) => {
        const report = error ? undefined : decodeReport(message.data)
        if (report?.type === 'census') seen.set(report.host, { at: Date.now(), entries: report.servers })
      },
    })
  return { seen, stop: () => connection.close() }
}

/** An image, a flavor, and no limits. */
async function fill(api: OpenStackApi): Promise<{ imageId: string; flavorId: string }> {
  const wanted = { name: 'tiny', disk_format: 'qcow2', container_format: 'bare', visibility: 'public' }
  const imageId = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageId}/file`, tinyQcow2())
  const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
  const flavorId = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, {
    quota_set: { instances: -1, cores: -1, ram: -1 },
  })
  return { imageId, flavorId }
}
