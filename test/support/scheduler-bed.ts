import { defaultSchedulerConfig, type SchedulerConfig } from '../../src/base/scheduler-config.ts'
import type { HostDescription } from '../../src/model/host.ts'
import type { ServerFlavor, ServerImage } from '../../src/model/server-spec.ts'
import type { HostState } from '../../src/scheduler/host-state.ts'
import { createHostTable } from '../../src/scheduler/host-table.ts'
import { place, type PlaceResult } from '../../src/scheduler/place.ts'
import { plainRequest, type PlaceRequest } from '../../src/scheduler/place-request.ts'

/** A host with 8 vCPUs, 8 GiB and 100 GiB of disk, all of it free. */
export const aHost = (name: string, more: Partial<HostState> = {}): HostState => ({
  name,
  availabilityZone: 'nova',
  aggregates: [],
  description: aDescription(name),
  disabled: false,
  forcedDown: false,
  maintenance: false,
  lastSeenAt: 0,
  capacity: { vcpus: 8, memoryMiB: 8192, diskGiB: 100 },
  used: { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
  servers: 0,
  ioOps: 0,
  failedBuilds: 0,
  ...more,
})

export const aDescription = (name: string, more: Partial<HostDescription> = {}): HostDescription => ({
  name,
  id: `id-of-${name}`,
  hypervisorType: 'KVM',
  hypervisorVersion: 7_002_022,
  libvirtVersion: 9_000_000,
  hypervisorHostname: `${name}.example.org`,
  hostIp: '192.0.2.1',
  vcpus: { total: 8, reserved: 0, allocationRatio: 1 },
  memoryMiB: { total: 8192, reserved: 0, allocationRatio: 1 },
  diskGiB: { total: 100, reserved: 0, allocationRatio: 1 },
  diskFreeGiB: 100,
  memoryUsedMiB: 0,
  runningDomains: 0,
  uptimeSeconds: 1,
  loadAverage: [1, 2, 3],
  cpu: {
    arch: 'x86_64',
    vendor: 'AMD',
    model: 'EPYC',
    features: ['aes', 'avx2', 'sse4.2'],
    sockets: 2,
    cores: 2,
    threads: 2,
  },
  numaCells: [],
  machineTypes: ['pc'],
  accelerationReason: 'a test',
  ...more,
})

export const aFlavor = (more: Partial<ServerFlavor> = {}): ServerFlavor => ({
  id: '1',
  name: 'm1.tiny',
  vcpus: 1,
  memoryMiB: 1024,
  rootGiB: 10,
  ephemeralGiB: 0,
  swapMiB: 0,
  extraSpecs: {},
  ...more,
})

export const anImage = (properties: Record<string, string>): ServerImage => ({
  id: 'image',
  name: null,
  diskFormat: 'qcow2',
  sizeBytes: 1,
  sha512: 'aa',
  minDiskGiB: 0,
  properties,
})

export const aRequest = (more: Partial<PlaceRequest> = {}): PlaceRequest => ({
  ...plainRequest,
  seed: 'a-server',
  projectId: 'project',
  flavor: aFlavor(),
  image: null,
  ...more,
})

/** Places among these hosts with the default settings, where `settings` does not say otherwise. */
export const placeAmong = (
  hosts: readonly HostState[],
  request: Partial<PlaceRequest> = {},
  settings: Partial<SchedulerConfig> = {},
  count = 3,
): PlaceResult =>
  place(aRequest(request), createHostTable(hosts), { ...defaultSchedulerConfig, ...settings }, count)
