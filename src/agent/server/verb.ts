import type { Clock } from '../../base/clock.ts'
import type { Config } from '../../base/config.ts'
import type { Logger } from '../../base/logging.ts'
import type { Command, CommandTable, Verb } from '../../contract/command.ts'
import type { DiskTransfer } from '../../contract/disk-transfer.ts'
import type { ImageTransfer } from '../../contract/image-transfer.ts'
import type { Report } from '../../contract/report.ts'
import type { Hypervisor, HypervisorCapabilities } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { DiskOffers } from '../disk-transfer/disk-offers.ts'
import type { Disks } from '../disk/disks.ts'
import type { DomainWatch } from '../domain-watch.ts'
import type { LedgerChange } from '../host-journal.ts'
import type { ImagePreheating } from '../image-preheating.ts'
import type { Migrations } from '../migrations.ts'

/** What the verbs work with: one per host. */
export interface VerbContext {
  host: string
  hypervisor: Hypervisor
  /** As asked once; they do not change while libvirtd runs. */
  capabilities: () => Promise<HypervisorCapabilities>
  disks: Disks
  images: ImageTransfer
  transfer: DiskTransfer
  /** What this host takes of other hosts' disks. */
  offers: DiskOffers
  watch: DomainWatch
  /** The spec on the ledger, where the server has been here before. */
  recordedSpec: (serverId: string) => ServerSpec | undefined
  settings: Config['agent']
  /** The address of this host that others may know it by. */
  hostIp: () => Promise<string>
  migrations: Migrations
  preheating: ImagePreheating
  /** Tells the controller something unasked; never fails. */
  report: (report: Report) => Promise<void>
  clock: Clock
  log: Logger
}

/** What a verb did, and what the ledger is to say from now on. */
export interface Done<V extends Verb = Verb> {
  result: CommandTable[V]['result']
  change?: LedgerChange
}

/**
 * Carries out one verb. It may be run again after having been cut off anywhere, and must then come to the same
 * end; a server that is as wanted already is a success.
 * @throws the signal's reason when the signal is aborted; LodgeError for all else
 */
export type VerbRun<V extends Verb> = (
  context: VerbContext,
  command: Command<V>,
  signal: AbortSignal,
) => Promise<Done<V>>
