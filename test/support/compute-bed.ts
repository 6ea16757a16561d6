import type { FastifyInstance } from 'fastify'
import { computeRoutes } from '../../src/api/compute/compute-routes.ts'
import type { ApiServices, Caller } from '../../src/api/common/route.ts'
import { createApi } from '../../src/api/http.ts'
import { lodgeRoutes } from '../../src/api/lodge/routes.ts'
import type { Clock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { HostDescription } from '../../src/model/host.ts'
import type { ImageRecord } from '../../src/model/image.ts'
import type { Server } from '../../src/model/server.ts'
import type { ServerFlavor } from '../../src/model/server-spec.ts'
import { upsertHost } from '../../src/store/hosts.ts'
import { saveDomain, saveProject } from '../../src/store/identity-projects.ts'
import { insertImage } from '../../src/store/images.ts'
import { insertServer, updateServer } from '../../src/store/servers.ts'
import { ensureService } from '../../src/store/services.ts'
import type { Store } from '../../src/store/store.ts'
import { openTestStore } from './test-store.ts'

export const home = { projectId: 'a'.repeat(32), userId: '1'.repeat(32) }
export const abroad = { projectId: 'b'.repeat(32), userId: '2'.repeat(32) }

const caller = (who: typeof home, roles: string[]): Caller => ({
  ...who,
  userName: 'someone',
  projectName: 'somewhere',
  roles,
  isAdmin: roles.includes('admin'),
  token: 'token',
})

/** Tokens are the names of these. */
const callers: Record<string, Caller> = {
  admin: caller(home, ['admin', 'manager', 'member', 'reader']),
  member: caller(home, ['member', 'reader']),
  foreigner: caller(abroad, ['member', 'reader']),
}

export interface Call {
  as?: 'admin' | 'member' | 'foreigner'
  /** The minor of the microversion; the newest when absent. */
  version?: number
  body?: unknown
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  // Tests know what they asked for.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

/** The compute API over a store in memory, with hosts and servers that are only records. Its clock stands still. */
export interface ComputeBed {
  app: FastifyInstance
  store: Store
  services: ApiServices
  clock: Clock & { time: number }
  /** `what`: `GET /flavors?limit=1`, below `/compute/v2.1`. */
  call(what: string, options?: Call): Promise<Answer>
  addHost(name: string, more?: Partial<HostDescription>): Promise<void>
  addServer(more?: Partial<Server>): Promise<Server>
  addImage(more?: Partial<ImageRecord>): Promise<ImageRecord>
  [Symbol.asyncDispose](): Promise<void>
}

export async function computeBed(): Promise<ComputeBed> {
  const store = await openTestStore(':memory:')
  const time = Date.parse('2026-02-03T04:05:06Z')
  const clock = { time, now: () => clock.time, sleep: async () => {} }
  const none = (): never => {
    throw new LodgeError('unavailable', 'There are neither agents nor image data in this test.')
  }
  const services: ApiServices = {
    store,
    config: structuredClone(defaultConfig),
    clock,
    log: silentLogger(),
    wake: () => {},
    ask: none,
    imageFiles: { write: none, read: none, path: none, remove: async () => {} },
  }
  await addProjects(store)
  const app = createApi(
    services,
    { identity: [], compute: computeRoutes(services), image: [], network: [], lodge: lodgeRoutes(services) },
    async (_services, token) => (Object.hasOwn(callers, token) ? callers[token] : undefined),
  )
  return {
    app,
    store,
    services,
    clock,
    call: (what, options = {}) => call(app, what, options),
    addHost: (name, more) =>
      store.transaction(async (trx) => {
        await upsertHost(trx, { ...description(name), ...more }, clock.time)
        await ensureService(trx, { binary: 'nova-compute', host: name }, clock.time)
      }),
    addServer: (more) => addServer(store, clock.time, more),
    addImage: (more) => addImage(store, clock.time, more),
    [Symbol.asyncDispose]: async () => {
      await app.close()
      await store.close()
    },
  }
}

async function call(app: FastifyInstance, what: string, options: Call): Promise<Answer> {
  const [method = 'GET', path = '/'] = what.split(' ')
  const { as = 'admin', version, body } = options
  const response = await app.inject({
    method: method as 'GET',
    url: `/compute/v2.1${path}`,
    headers: {
      'x-auth-token': as,
      'openstack-api-version': `compute ${version === undefined ? 'latest' : `2.${version}`}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  })
  return {
    status: response.statusCode,
    headers: response.headers,
    body: response.body === '' ? undefined : JSON.parse(response.body),
  }
}

async function addProjects(store: Store): Promise<void> {
  const record = { enabled: true, description: '' }
  await saveDomain(store.db, { id: 'default', name: 'Default', ...record })
  for (const [name, { projectId: id }] of Object.entries({ home, abroad }))
    await saveProject(store.db, { id, name, domainId: 'default', extra: {}, ...record })
}

const smallFlavor: ServerFlavor = {
  id: 'small',
  name: 'm1.small',
  vcpus: 2,
  memoryMiB: 512,
  rootGiB: 3,
  ephemeralGiB: 1,
  swapMiB: 0,
  extraSpecs: {},
}

async function addServer(store: Store, now: number, more: Partial<Server> = {}): Promise<Server> {
  const added = await insertServer(store.db, {
    id: newUuid(),
    ...home,
    name: 'a server',
    hostname: 'a-server',
    availabilityZone: null,
    flavor: smallFlavor,
    image: null,
    key: null,
    userData: null,
    configDrive: false,
    metadata: {},
    schedulerHints: {},
    diskConfig: 'MANUAL',
    reservationId: 'r-00000001',
    launchIndex: 0,
    createdAt: now,
    vmState: 'active',
    taskState: null,
    ...more,
  })
  const { host, launchedAt, terminatedAt, deletedAt } = more
  await updateServer(store.db, added.id, { host, launchedAt, terminatedAt, deletedAt }, now)
  return { ...added, ...more }
}

async function addImage(store: Store, now: number, more: Partial<ImageRecord> = {}): Promise<ImageRecord> {
  const image: ImageRecord = {
    id: newUuid(),
    name: 'an image',
    status: 'active',
    owner: home.projectId,
    visibility: 'private',
    protected: false,
    hidden: false,
    containerFormat: 'bare',
    diskFormat: 'qcow2',
    minDiskGiB: 1,
    minRamMiB: 0,
    sizeBytes: 1000,
    virtualSizeBytes: 2000,
    md5: null,
    sha512: null,
    properties: {},
    tags: [],
    createdAt: now,
    updatedAt: now,
    ...more,
  }
  await insertImage(store.db, image)
  return image
}

const description = (name: string): HostDescription => ({
  name,
  id: newUuid(),
  hypervisorType: 'KVM',
  hypervisorVersion: 7_002_022,
  libvirtVersion: 9_000_000,
  hypervisorHostname: `${name}.example.org`,
  hostIp: '192.0.2.1',
  vcpus: { total: 8, reserved: 1, allocationRatio: 4 },
  memoryMiB: { total: 16_384, reserved: 512, allocationRatio: 1 },
  diskGiB: { total: 100, reserved: 0, allocationRatio: 1 },
  diskFreeGiB: 90.7,
  memoryUsedMiB: 1024,
  runningDomains: 0,
  uptimeSeconds: 93_900,
  loadAverage: [0.2, 0.12, 0.14],
  cpu: {
    arch: 'x86_64',
    vendor: 'AMD',
    model: 'EPYC',
    features: ['svm'],
    sockets: 1,
    cores: 4,
    threads: 2,
  },
  numaCells: [],
  machineTypes: ['pc', 'q35'],
  accelerationReason: 'KVM works.',
})
