/** All settings of a Lodge process. One typed object, read once; `lodge config show` prints it. */
export interface Config {
  /** Directory of everything that Lodge keeps on this machine. */
  stateDirectory: string
  listen: { host: string; port: number }
  /** `postgres://user:password@host/database`; null: SQLite in the state directory. */
  store: {
    url: string | null
    /** Connections of this process to PostgreSQL at most. */
    connections: number
  }
  /** NATS between controllers and agents; a url of null: everything in one process. */
  bus: {
    /** `nats://host:4222` or `tls://host:4222`; several with commas. */
    url: string | null
    /** The NATS credentials file of this process. */
    credentialsFile: string | null
    /** Certificates that the server's is checked with; null: the system's. */
    caFile: string | null
  }
  /** URLs that clients are told, when they differ from the listening address (no trailing slash). */
  publicUrls: {
    identity: string | null
    compute: string | null
    image: string | null
    network: string | null
  }
  region: string
  log: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; format: 'auto' | 'pretty' | 'json' }
  api: {
    /** Largest page of a list. */
    maxLimit: number
    /** Largest body of a request that is not an image, in bytes. */
    maxBodyBytes: number
    /** Shows the generated password in the answer to a create. */
    enableServerPassword: boolean
    tokenHours: number
  }
  quota: {
    instances: number
    cores: number
    ramMiB: number
    metadataItems: number
    keyPairs: number
    serverGroups: number
    serverGroupMembers: number
  }
  scheduler: { maxAttempts: number; ramWeight: number; cpuWeight: number; diskWeight: number }
  hosts: {
    /** A host whose last report is older than this counts as down, seconds. */
    downAfterSeconds: number
    defaultAvailabilityZone: string
  }
  conductor: {
    leaseSeconds: number
    buildTimeoutSeconds: number
    actionTimeoutSeconds: number
    /** How long a deleted server is remembered, with its actions; 0: for ever. */
    keepDeletedDays: number
  }
  agent: {
    /** Name of this host; null: the machine's host name. */
    hostName: string | null
    libvirtUri: string
    /** `auto`: KVM where it truly works. */
    virtType: 'auto' | 'kvm' | 'qemu'
    cpuMode: 'auto' | 'none' | 'host-model' | 'host-passthrough' | 'maximum' | 'custom'
    cpuModel: string | null
    machineType: string | null
    maxBuilds: number
    maxSnapshots: number
    maxMigrations: number
    cpuAllocationRatio: number
    memoryAllocationRatio: number
    diskAllocationRatio: number
    reservedCpus: number
    reservedMemoryMiB: number
    reservedDiskMiB: number
    reportSeconds: number
    reconcileSeconds: number
    shutdownTimeoutSeconds: number
    shutdownRetrySeconds: number
    softRebootTimeoutSeconds: number
    /** Starts guests again that ran when the host went down. */
    resumeGuestsOnHostBoot: boolean
    /** An image that no server on the host needs leaves the host's cache after so long; 0: never. */
    imageCacheHours: number
    imageTool: { addressSpaceMiB: number; cpuSeconds: number }
    vnc: { enabled: boolean; listen: string }
  }
  simulate: {
    /** Number of simulated hosts; 0: the real hypervisor of this machine. */
    hosts: number
    /** Delay of each hypervisor call, milliseconds. */
    latencyMs: number
  }
}

export const defaultConfig: Config = {
  stateDirectory: '/var/lib/lodge',
  listen: { host: '127.0.0.1', port: 8774 },
  store: { url: null, connections: 10 },
  bus: { url: null, credentialsFile: null, caFile: null },
  publicUrls: { identity: null, compute: null, image: null, network: null },
  region: 'RegionOne',
  log: { level: 'info', format: 'auto' },
  api: { maxLimit: 1000, maxBodyBytes: 114_688, enableServerPassword: true, tokenHours: 24 },
  quota: {
    instances: 10,
    cores: 20,
    ramMiB: 51_200,
    metadataItems: 128,
    keyPairs: 100,
    serverGroups: 10,
    serverGroupMembers: 10,
  },
  scheduler: { maxAttempts: 3, ramWeight: 1, cpuWeight: 1, diskWeight: 1 },
  hosts: { downAfterSeconds: 60, defaultAvailabilityZone: 'nova' },
  conductor: {
    leaseSeconds: 60,
    buildTimeoutSeconds: 600,
    actionTimeoutSeconds: 900,
    keepDeletedDays: 90,
  },
  agent: {
    hostName: null,
    libvirtUri: 'qemu:///system',
    virtType: 'auto',
    cpuMode: 'auto',
    cpuModel: null,
    machineType: null,
    maxBuilds: 10,
    maxSnapshots: 5,
    maxMigrations: 1,
    cpuAllocationRatio: 4,
    memoryAllocationRatio: 1,
    diskAllocationRatio: 1,
    reservedCpus: 0,
    reservedMemoryMiB: 512,
    reservedDiskMiB: 0,
    reportSeconds: 10,
    reconcileSeconds: 180,
    shutdownTimeoutSeconds: 60,
    shutdownRetrySeconds: 10,
    softRebootTimeoutSeconds: 120,
    resumeGuestsOnHostBoot: false,
    imageCacheHours: 24,
    imageTool: { addressSpaceMiB: 2048, cpuSeconds: 30 },
    vnc: { enabled: true, listen: '127.0.0.1' },
  },
  simulate: { hosts: 0, latencyMs: 0 },
}
