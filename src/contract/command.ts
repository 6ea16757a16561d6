import type { ErrorKind } from '../base/errors.ts'
import type { MigrationMeasurement, MigrationOutcome } from '../model/migration-forecast.ts'
import type { GuestDiagnostics } from '../model/guest-diagnostics.ts'
import type { PowerState } from '../model/server-state.ts'
import type { ServerImage, ServerSpec } from '../model/server-spec.ts'
import type { DiskOffer } from './disk-transfer.ts'

/** What a controller may ask of an agent: for each verb what goes in and what comes back. */
export interface CommandTable {
  /**
   * Builds the server's disks and domain and starts it. Ends with the guest running. `takeFrom`: the host that it is
   * evacuated from, whose disks of it are used as they are where both hosts see them.
   */
  spawn: { params: { spec: ServerSpec; takeFrom?: string }; result: SpawnResult }
  /**
   * Removes domain, disks, and all that the host keeps of the server; disks that are another host's are left alone.
   * `returnTo`: the server is that host's. Disks that were taken from it are given back. Succeeds if there is nothing.
   */
  destroy: { params: { returnTo?: string }; result: object }
  /** Starts a stopped server from a domain definition made anew. */
  start: { params: { spec: ServerSpec }; result: ServerResult }
  /** Asks the guest to shut down and, after the timeout, cuts the power. Succeeds if it is off already. */
  stop: { params: { timeoutSeconds: number; retrySeconds: number }; result: ServerResult }
  reboot: {
    params: { type: 'SOFT' | 'HARD'; spec: ServerSpec; softTimeoutSeconds: number }
    result: ServerResult
  }
  pause: { params: object; result: ServerResult }
  unpause: { params: object; result: ServerResult }
  /** Managed save: memory to disk, guest off. */
  suspend: { params: object; result: ServerResult }
  resume: { params: { spec: ServerSpec }; result: ServerResult }
  /** Copies the root disk into an image whose record exists already, and hands the bytes to the image transfer. */
  /** At the destination: fetches what the server's disks stand on, and offers to take the disks. */
  resizePrepare: { params: { spec: ServerSpec; migrationId: string }; result: { offer: DiskOffer } }
  /** At the source: shuts the guest down, puts its disks aside and sends a copy of them. */
  resizeSend: {
    params: { migrationId: string; offer: DiskOffer; timeoutSeconds: number; retrySeconds: number }
    result: ServerResult
  }
  /** At the destination: what has come becomes the server's disks, grown to the flavor. Starts it where asked. */
  resizeFinish: {
    params: { spec: ServerSpec; migrationId: string; start: boolean }
    result: SpawnResult
  }
  /** At the destination: removes what that migration brought, and nothing else. */
  resizeDiscard: { params: { migrationId: string }; result: object }
  /** At the source: the disks that were put aside are the server's again. Starts it where asked. */
  resizeReturn: { params: { spec: ServerSpec; start: boolean }; result: ServerResult }
  /** At the destination, before the source lets go: is what came still here? @throws notFound when it is not */
  resizeVerify: { params: object; result: object }
  /** At the source: removes the disks that were put aside. */
  resizeForget: { params: object; result: object }
  snapshot: { params: { imageId: string; diskFormat: 'qcow2' | 'raw' }; result: SnapshotResult }

  /** May the guest come here? Leaves a probe by which the source finds out whether both see the same files. */
  migrateCheckDestination: { params: MigrationParams & { spec: ServerSpec }; result: MigrationProbe }
  /** May the guest leave from here, and what must its destination be able to do? */
  migrateCheckSource: { params: MigrationParams & MigrationProbe; result: MigrationNeeds }
  /** What a forecast of the move is made of. */
  migrateMeasure: { params: MigrationParams; result: MigrationMeasurement }
  /** Makes empty disks of the same shape, unless they are shared, and says where everything is. */
  migratePrepareDestination: {
    params: MigrationParams & MigrationNeeds & { spec: ServerSpec }
    result: MigrationTarget
  }
  /** Moves the guest, which takes long, and ends when it has left this host. */
  migrateLive: {
    params: MigrationParams & { target: MigrationTarget; sharedStorage: boolean }
    result: object
  }
  /**
   * Ends the move that is under way, or about to begin, on a host that is its source or its destination. The guest stays,
   * unless it has gone already.
   */
  migrateAbort: {
    params: MigrationParams
    /** What the guest does here now; null: it has gone. Older agents do not say. */
    result: { guest?: PowerState | null }
  }
  /** Makes the move end soon: by post-copy where it is allowed, else by pausing the guest. */
  migrateForceComplete: { params: MigrationParams; result: object }
  /** Takes the guest that has come onto the ledger. @throws notFound when it is not here */
  migrateFinishDestination: {
    params: MigrationParams & { spec: ServerSpec; wanted: 'running' | 'paused' }
    result: ServerResult & {
      /** Absent where the hypervisor does not tell. */
      went?: MigrationOutcome
    }
  }
  /** Removes what is left of a server whose guest runs elsewhere. */
  migrateFinishSource: {
    params: MigrationParams & {
      sharedStorage: boolean
      /** The host whose the guest is now, and shared disks with it. */
      to?: string
    }
    result: object
  }
  /** Removes what was made for a guest that did not come; says where the guest is if it did. */
  migrateRollbackDestination: {
    params: MigrationParams & {
      sharedStorage: boolean
      spec: ServerSpec
      /** The source has the guest: what does not run here is no guest. */
      atSource?: boolean
    }
    result: { guest: PowerState | null }
  }
}

/** Words of the fault of a move that someone has aborted. */
export const migrationAborted = 'The live migration was aborted.'

export interface MigrationParams {
  migrationId: string
}

export interface MigrationProbe {
  /** Path of a file that exists on the destination. */
  probeFile: string
  hypervisorVersion: number
}

export interface MigrationNeeds {
  sharedStorage: boolean
  /** libvirt's element of the guest's processor; null: it has none of its own. */
  cpuXml: string | null
}

/** The place of a guest on the host that it moves to. */
export interface MigrationTarget {
  /** Address of the host, for its hypervisor and for the data. */
  address: string
  disks: { target: string; file: string; backingFile: string | null }[]
  consoleLogPath: string
  vncListen: string
}

export type Verb = keyof CommandTable

/** The state of the guest after a command. */
export interface ServerResult {
  powerState: PowerState
}

export interface SpawnResult extends ServerResult {
  machineType: string
  rootDeviceName: string
}

export interface SnapshotResult extends ServerResult {
  sizeBytes: number
}

/**
 * One step's work on one host. The id makes it idempotent: an agent that gets the same id again answers with
 * the recorded outcome, or joins the run that is under way.
 */
export interface Command<V extends Verb = Verb> {
  version: 1
  id: string
  host: string
  serverId: string
  verb: V
  params: CommandTable[V]['params']
  /** For logs on both sides. */
  requestId: string
}

/** A command's failure in words for the user (`message`), and what the conductor may do about it. */
export interface Fault {
  kind: ErrorKind
  /** As in the server's fault: 400-599. */
  code: number
  message: string
  /** Facts for the operator, such as libvirt's own error; shown to administrators only. */
  details: string
  /** `other-host`: the fault lies with this host, another may succeed. */
  retry: 'never' | 'same-host' | 'other-host'
}

export type Outcome<V extends Verb = Verb> =
  | { ok: true; result: CommandTable[V]['result'] }
  | { ok: false; fault: Fault }

/** Questions that change nothing and are not journaled. */
export interface QueryTable {
  /** The controller has judged the host's census; see CensusReport.awaitsAdmission. */
  admit: { params: { censusAt: number }; result: object }
  /** The last `length` lines (all when null) of the serial console, at most 100 KiB, control characters removed. */
  consoleOutput: { params: { serverId: string; length: number | null }; result: { output: string } }
  /** Power state of one server, straight from the hypervisor. NOSTATE when it has no domain. */
  powerState: { params: { serverId: string }; result: { powerState: PowerState } }
  /** What the hypervisor counts of the guest. A guest that is off is a conflict. */
  guestDiagnostics: { params: { serverId: string }; result: GuestDiagnostics }
  /** What a forecast of the server's live migration is made of; the guest is watched for a second. */
  migrationMeasurement: { params: { serverId: string }; result: MigrationMeasurement }
  /**
   * Brings an image to the host ahead of its use. Answers when it is there, or after some seconds with `under-way`: then
   * ask again.
   */
  cacheImage: { params: { image: ServerImage }; result: { state: 'cached' | 'under-way' } }
  /** Whether the host sees the server's disks where they are, so that they need not be sent to it. */
  seesDisks: { params: { serverId: string }; result: { seesDisks: boolean } }
}

export type QueryName = keyof QueryTable
export interface Query<Q extends QueryName = QueryName> {
  version: 1
  host: string
  name: Q
  params: QueryTable[Q]['params']
}
