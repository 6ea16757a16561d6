import { defaultSchedulerConfig, type SchedulerConfig } from './scheduler-config.ts'

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
    lodge: string | null
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
  scheduler: SchedulerConfig
  image: {
    /** Kept free on the file systems that hold image data: uploads and snapshots stop before. */
    reserveMiB: number
    /** Largest image, MiB; 0: any size. */
    maxSizeMiB: number
  }
  fleet: {
    /** A resize may stay on its host. */
    resizeOnSameHost: boolean
    /** Hosts that fetch images ahead of their use at once, for one request. */
    preheatParallel: number
    /** Moves of one drain that are under way at once. */
    drainParallel: number
    /** Evacuates the servers of hosts that are down, once the fence command said that they are off. */
    autoEvacuate: boolean
    /**
     * The program and its arguments that cut off a host for good, `{host}` standing for its name; it ends with status
     * 0 only when the host is off. Without one nothing is evacuated by itself.
     */
    fenceCommand: string[]
    /** How long a host must be down before it is fenced. */
    evacuateAfterSeconds: number
    /**
     * Whether a live migration is preceded by a forecast, which takes a second: `warn` keeps it and logs when there is no
     * end in sight, `refuse` then refuses the migration unless it is confirmed.
     */
    migrationForecast: 'off' | 'warn' | 'refuse'
    /** What a forecast takes for the bandwidth between hosts that have sent each other nothing yet, MiB/s. */
    assumedBandwidthMiBps: number
  }
  hosts: {
    /** A host whose last report is older than this counts as down, seconds. */
    downAfterSeconds: number
    defaultAvailabilityZone: string
    /** Zone of servers whose request names none; null: any. */
    defaultScheduleZone: string | null
  }
  conductor: {
    /** What a controller that died was doing is taken over after so long, and half of it again at most. */
    leaseSeconds: number
    buildTimeoutSeconds: number
    actionTimeoutSeconds: number
    /** The agent ends migrations of its own by `agent.migration.timeoutSeconds`; this is for when it does not. */
    migrationTimeoutSeconds: number
    /** Of actions that may send whole disks between hosts. */
    moveTimeoutSeconds: number
    /** A resize that nobody confirmed in this time is confirmed by itself; 0: never. */
    resizeConfirmSeconds: number
    /** How long a deleted server can be restored, powered off on its host; 0: not at all. */
    reclaimSeconds: number
    /** How long a deleted server is remembered, with its actions; 0: for ever. */
    keepDeletedDays: number
  }
  agent: {
    /** Name of this host; null: the machine's host name. */
    hostName: string | null
    libvirtUri: string
    /**
     * Absolute; where servers' disks and the images below them are. Agents of several hosts may be given one directory
     * that all of them see at this path (NFS and the like). null: in the state directory, for this host alone.
     */
    instancesDirectory: string | null
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
    /** Where a host of a fleet takes the disks of servers that come without running, over HTTPS. */
    diskTransfer: {
      /** null: every address of the machine. Others are told `migration.address`, or the address that the host reports. */
      listen: string | null
      /** null: 16515, or any free one for simulated hosts. */
      port: number | null
      /** A transfer on which nothing moves for so long has failed. */
      idleSeconds: number
      /** What the disks of one server may take of the network, MiB/s; 0: all there is. */
      bandwidthMiBps: number
    }
    migration: {
      /** Where other hosts reach this one's libvirt and QEMU; null: the address that it reports. */
      address: string | null
      /** libvirt's URI of another host; `%s` stands for its address. */
      uri: string
      /** Encrypts memory and disks on their way, with QEMU's certificates (`migrate_tls_x509_cert_dir`). */
      tls: boolean
      /** Slows guests down that write faster than can be sent. Not used where post-copy is. */
      autoConverge: boolean
      /** Lets a move be ended by running on at the destination and fetching the rest; a broken link then costs the guest. */
      postCopy: boolean
      /** What the memory and the disks of one move may each take of the network, MiB/s; 0: all there is. */
      bandwidthMiBps: number
      /** Longest halt of a guest at the moment of the change, ms; approached in steps while it does not converge. */
      downtimeMs: number
      downtimeSteps: number
      /** From one step to the next, for each GiB of memory and disk (at least two). */
      downtimeDelaySeconds: number
      /** After which `timeoutAction` is taken, for each GiB of memory and disk (at least two); 0: never. */
      timeoutSeconds: number
      timeoutAction: 'abort' | 'force-complete'
    }
  }
  simulate: {
    /** Number of simulated hosts; 0: the real hypervisor of this machine. */
    hosts: number
    /** Number in the name of the first: two processes of one fleet must not have hosts of the same name. */
    first: number
    /** Delay of each hypervisor call, milliseconds. */
    latencyMs: number
    /** How long commands take beside, by verb, milliseconds: `spawn=200`, `migrateLive=500-3000`, `*=20` for the rest. */
    latencies: string[]
    /** The share of commands that fail, by verb: `spawn=0.1`, `*=0.01`. */
    failures: string[]
    /** A host fails once in so long, on the average, seconds; 0: never. */
    hostFailureSeconds: number
    /** How it fails: its power, its network, or its hypervisor, which does not answer. */
    hostFailures: ('crash' | 'cut' | 'hang')[]
    /** How long it is away then, seconds, give or take a half. */
    hostDownSeconds: number
    /** Another one gives other numbers. */
    seed: number
  }
}

export const defaultConfig: Config = {
  stateDirectory: '/var/lib/lodge',
  listen: { host: '127.0.0.1', port: 8774 },
  store: { url: null, connections: 10 },
  bus: { url: null, credentialsFile: null, caFile: null },
  publicUrls: { identity: null, compute: null, image: null, network: null, lodge: null },
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
  scheduler: defaultSchedulerConfig,
  image: { reserveMiB: 1024, maxSizeMiB: 0 },
  hosts: { downAfterSeconds: 60, defaultAvailabilityZone: 'nova', defaultScheduleZone: null },
  fleet: {
    resizeOnSameHost: false,
    drainParallel: 4,
    preheatParallel: 4,
    autoEvacuate: false,
    fenceCommand: [],
    evacuateAfterSeconds: 120,
    migrationForecast: 'off',
    assumedBandwidthMiBps: 100,
  },
  conductor: {
    leaseSeconds: 15,
    buildTimeoutSeconds: 600,
    actionTimeoutSeconds: 900,
    migrationTimeoutSeconds: 86_400,
    moveTimeoutSeconds: 14_400,
    resizeConfirmSeconds: 0,
    reclaimSeconds: 0,
    keepDeletedDays: 90,
  },
  agent: {
    hostName: null,
    libvirtUri: 'qemu:///system',
    instancesDirectory: null,
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
    diskTransfer: { listen: null, port: null, idleSeconds: 60, bandwidthMiBps: 0 },
    migration: {
      address: null,
      uri: 'qemu+tls://%s/system',
      tls: true,
      autoConverge: true,
      postCopy: false,
      bandwidthMiBps: 0,
      downtimeMs: 500,
      downtimeSteps: 10,
      downtimeDelaySeconds: 75,
      timeoutSeconds: 800,
      timeoutAction: 'abort',
    },
  },
  simulate: {
    hosts: 0,
    first: 1,
    latencyMs: 0,
    latencies: [],
    failures: [],
    hostFailureSeconds: 0,
    hostFailures: ['crash', 'cut', 'hang'],
    hostDownSeconds: 60,
    seed: 1,
  },
}
