import type { Flavor } from '../../src/model/flavor.ts'
import type { HostDescription } from '../../src/model/host.ts'
import type { ImageRecord } from '../../src/model/image.ts'
import type { NewServer } from '../../src/store/servers.ts'

/** Records for tests of the store, as small as they may be. */
export const gib = 2 ** 30

export const aFlavor = (id: string, name: string, more: Partial<Flavor> = {}): Flavor => ({
  id,
  name,
  vcpus: 1,
  memoryMiB: 64,
  rootGiB: 1,
  ephemeralGiB: 0,
  swapMiB: 0,
  rxtxFactor: 1,
  isPublic: true,
  disabled: false,
  description: null,
  extraSpecs: {},
  createdAt: 1,
  ...more,
})

export const aKeyPair = (userId: string, name: string) => ({
  userId,
  name,
  type: 'ssh' as const,
  fingerprint: 'aa',
  publicKey: 'ssh-ed25519 A',
  createdAt: 1,
})

export const anImage = (id: string, more: Partial<ImageRecord> = {}): ImageRecord => ({
  id,
  name: id,
  status: 'active',
  owner: 'p',
  visibility: 'private',
  protected: false,
  hidden: false,
  containerFormat: 'bare',
  diskFormat: 'qcow2',
  minDiskGiB: 0,
  minRamMiB: 0,
  sizeBytes: 1,
  virtualSizeBytes: null,
  md5: null,
  sha512: null,
  properties: {},
  tags: [],
  createdAt: 1,
  updatedAt: 1,
  ...more,
})

export const aServer = (id: string, more: Partial<NewServer> = {}): NewServer => ({
  id,
  projectId: 'p',
  userId: 'u',
  name: id,
  hostname: id,
  availabilityZone: null,
  flavor: { ...aFlavor('1', 'tiny'), extraSpecs: {} },
  image: null,
  key: null,
  userData: null,
  configDrive: false,
  metadata: {},
  schedulerHints: {},
  diskConfig: 'AUTO',
  reservationId: 'r-1',
  launchIndex: 0,
  createdAt: 1,
  ...more,
})

export function aHost(
  name: string,
  size: { vcpus?: number; memoryMiB?: number; diskGiB?: number } = {},
): HostDescription {
  const inventory = (total: number) => ({ total, reserved: 0, allocationRatio: 1 })
  return {
    name,
    id: `id-of-${name}`,
    hypervisorType: 'QEMU',
    hypervisorVersion: 7_002_000,
    libvirtVersion: 9_000_000,
    hypervisorHostname: name,
    hostIp: '192.0.2.1',
    vcpus: inventory(size.vcpus ?? 16),
    memoryMiB: inventory(size.memoryMiB ?? 2048),
    diskGiB: inventory(size.diskGiB ?? 100),
    diskFreeGiB: 100,
    memoryUsedMiB: 0,
    runningDomains: 0,
    uptimeSeconds: 1,
    loadAverage: [0, 0, 0],
    cpu: { arch: 'x86_64', vendor: '', model: '', features: [], sockets: 1, cores: 1, threads: 1 },
    numaCells: [],
    machineTypes: ['pc'],
    accelerationReason: 'a test',
  }
}
