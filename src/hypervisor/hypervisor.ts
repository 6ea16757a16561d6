import type { MigrationOutcome } from '../model/migration-forecast.ts'
import type { PowerState } from '../model/server-state.ts'
import type { HostCpu, NumaCell } from '../model/host.ts'

/** What the hypervisor of a host can do. */
export interface HypervisorCapabilities {
  hypervisorVersion: number
  libvirtVersion: number
  hostname: string
  arch: string
  /** `kvm` only where it truly works. */
  virtType: 'kvm' | 'qemu'
  /** Why that type, as one sentence. */
  virtTypeReason: string
  emulator: string
  machineTypes: string[]
  cpu: HostCpu
  numaCells: NumaCell[]
  /** CPU modes that a guest of `virtType` may have, of libvirt's words. */
  cpuModes: ('host-passthrough' | 'maximum' | 'host-model' | 'custom')[]
  onlineCpus: number
  memoryMiB: number
}

/** A domain as listings show it. `uuid` in lower case with dashes. */
export interface DomainSummary {
  uuid: string
  name: string
  powerState: PowerState
  /** Has a managed save image: starting it resumes. */
  managedSave: boolean
  /** Carries Lodge's metadata element, so it is one of ours. */
  isLodge: boolean
}

export type DomainEvent =
  | { type: 'lifecycle'; uuid: string; event: LifecycleEvent; detail: string; powerState: PowerState }
  | { type: 'reboot'; uuid: string }
  | { type: 'io-error'; uuid: string; device: string; reason: string }
  | { type: 'block-job'; uuid: string; disk: string; status: 'completed' | 'failed' | 'canceled' | 'ready' }
  | { type: 'agent'; uuid: string; connected: boolean }

/** Where a running domain is to move to, and how. */
export interface DomainMigration {
  /** How this hypervisor reaches the other one: libvirt's URI, or the name of a simulated host. */
  destinationUri: string
  /** Where the memory and the disks are sent to; null: libvirt chooses. An IP address or a host name. */
  dataAddress: string | null
  /** The domain as it is to be there: running, and its persistent definition. */
  xml: string
  persistentXml: string
  /** Targets of the disks to be copied onto files that are there already; none: both hosts see the same files. */
  copyDisks: string[]
  tls: boolean
  /** Slows the guest down as long as it writes faster than can be sent. */
  autoConverge: boolean
  /** Lets `startPostCopy` be called. */
  postCopy: boolean
  /** What memory and disks may each take of the network until post-copy, MiB/s; 0: all there is. */
  bandwidthMiBps: number
}

/** What a domain has and writes, watched for a while. In bytes, and bytes a second. */
export interface DomainWrites {
  memoryBytes: number
  /** Of its memory what the host holds; what the guest has never touched is not sent. */
  residentBytes: number
  /** Memory that was written to, counted once however often. */
  dirtyBytesPerSecond: number
  diskBytesPerSecond: number
}

export type DomainStats = Readonly<Record<string, string | number | boolean>>

/** How far the job of a domain has come. In bytes. */
export interface DomainJob {
  operation: 'migration-out' | 'migration-in' | 'other'
  memory: JobAmount
  disk: JobAmount
}

export interface JobAmount {
  total: number
  processed: number
  remaining: number
}

/** libvirt's lifecycle events. */
export type LifecycleEvent =
  | 'defined'
  | 'undefined'
  | 'started'
  | 'suspended'
  | 'resumed'
  | 'stopped'
  | 'shutdown'
  | 'pmsuspended'
  | 'crashed'

/**
 * What the agent drives: libvirt, or a stand-in with the same behaviour. Domains are named by UUID. Every call may
 * throw a LodgeError: `notFound` no such domain, `conflict` wrong state for it, `unavailable` no connection,
 * `timeout`, `internal` all else, with libvirt's own words in the message.
 */
export interface Hypervisor {
  readonly kind: 'libvirt' | 'simulated'
  readonly connected: boolean
  capabilities(): Promise<HypervisorCapabilities>
  /** Memory in use on the host, MiB. */
  memoryUsedMiB(): Promise<number>

  listDomains(): Promise<DomainSummary[]>
  /** undefined when there is no such domain. */
  findDomain(uuid: string): Promise<DomainSummary | undefined>
  domainXml(uuid: string): Promise<string>

  /** Makes or replaces the persistent definition. */
  define(xml: string): Promise<void>
  /** Starts a defined domain; with a managed save image it resumes from it unless `discardSaved`. */
  start(uuid: string, options?: { paused?: boolean; discardSaved?: boolean }): Promise<void>
  /** Removes the definition with NVRAM, managed save, snapshot and checkpoint metadata. */
  undefine(uuid: string): Promise<void>
  /** Asks the guest to power off (ACPI, or the agent where there is one). Returns at once. */
  requestShutdown(uuid: string): Promise<void>
  /** Asks the guest to reboot. Returns at once. */
  requestReboot(uuid: string): Promise<void>
  reset(uuid: string): Promise<void>
  /** Cuts the power. `graceful`: SIGTERM first. */
  destroy(uuid: string, options?: { graceful?: boolean }): Promise<void>
  suspend(uuid: string): Promise<void>
  resume(uuid: string): Promise<void>
  managedSave(uuid: string): Promise<void>
  removeManagedSave(uuid: string): Promise<void>
  /** After a resume from disk: sets the guest's clock through the guest agent where there is one; else nothing. */
  syncTime(uuid: string): Promise<void>
  /** One command to the guest agent; parsed answer. @throws conflict when there is no agent */
  agentCommand(uuid: string, command: object, timeoutSeconds: number): Promise<unknown>
  /** Freezes or thaws the guest's file systems. @throws conflict when there is no agent */
  freeze(uuid: string): Promise<void>
  thaw(uuid: string): Promise<void>
  /**
   * Copies a disk of a running domain to the new file `target` while the guest runs on, and ends when `target`
   * holds the disk at one moment: mirror until ready, then `atReady` (quiesce), abort without pivot, then leave.
   * One copy of a disk at a time: what an earlier one left behind that was cut off is ended first.
   * @throws the signal's reason when it is aborted before the copy is ready
   */
  copyDisk(
    uuid: string,
    disk: string,
    target: string,
    options: {
      format: 'qcow2' | 'raw'
      shallow: boolean
      atReady?: () => Promise<void>
      signal?: AbortSignal
    },
  ): Promise<void>

  /** A domain's XML as another host can take it: of its running guest, or of its persistent definition. */
  migratableXml(uuid: string, of: 'guest' | 'definition'): Promise<string>
  /** Whether a guest with the processor that `cpuXml` (libvirt's element `cpu`) describes can run here. */
  canRunCpu(cpuXml: string): Promise<boolean>
  /**
   * Moves a running or paused domain to another host while it lives on, and ends when it runs there and nothing of it
   * is left here. After a failure it is here as it was.
   * @throws LodgeError conflict when it was aborted
   */
  migrate(uuid: string, migration: DomainMigration): Promise<void>
  /**
   * Watches for so many seconds (1 to 60) what a running or paused domain writes. Two who watch at once see the same.
   * @throws LodgeError conflict when it does not run, notImplemented when its hypervisor cannot tell
   */
  watchWrites(uuid: string, seconds: number): Promise<DomainWrites>
  /** How the migration went by which the domain came here last; undefined when that is not known. */
  completedMigration(uuid: string): Promise<MigrationOutcome | undefined>
  /**
   * Whether the guest was halted for the last moment of a migration that then failed, and runs on here since. When the
   * other host could not be heard at that moment, it may run there too: libvirt leaves that to locks of disks.
   */
  cameBack(uuid: string): Promise<boolean>
  /** The job that is at work on the domain; undefined when there is none. */
  domainJob(uuid: string): Promise<DomainJob | undefined>
  /** Ends the job, which then fails. @throws LodgeError conflict when there is none */
  abortJob(uuid: string): Promise<void>
  /** For how long a migration may halt the guest, ms. */
  setMaxDowntime(uuid: string, milliseconds: number): Promise<void>
  /** Lets the migrating guest run on at its destination at once, and fetch its memory from here. */
  startPostCopy(uuid: string): Promise<void>
  /**
   * One domain's statistics, by libvirt's names of the groups (`state`, `cpu-total`, `balloon`, `vcpu`, `block`,
   * `interface`) and of what is in them (`vcpu.0.time`).
   * @throws LodgeError notFound for no such domain
   */
  domainStats(uuid: string, groups: string[]): Promise<DomainStats>

  /** Returns how to unsubscribe. */
  onEvent(listener: (event: DomainEvent) => void): () => void
  /** Called with false when the connection is lost and with true when it is back (events registered again). */
  onConnection(listener: (connected: boolean) => void): () => void
  close(): Promise<void>
}
