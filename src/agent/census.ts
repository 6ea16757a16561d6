import type { CensusEntry } from '../contract/report.ts'
import type { DomainSummary, Hypervisor } from '../hypervisor/hypervisor.ts'
import { powerState, type PowerState } from '../model/server-state.ts'
import type { Disks } from './disk/disks.ts'
import type { DomainWatch } from './domain-watch.ts'
import type { HostJournal } from './host-journal.ts'
import type { Intake } from './intake.ts'

export interface CensusOptions {
  hypervisor: Hypervisor
  disks: Disks
  journal: HostJournal
  intake: Intake
  watch: DomainWatch
}

/**
 * Compares what libvirt has, what is on the disk and what the ledger says: every server that one of them knows. Disks
 * that were on their way here when the host crashed are nobody's disk, but the controller hears of the server.
 * Domains that are not Lodge's are left out. Changes nothing on the host.
 */
export async function takeCensus(options: CensusOptions): Promise<CensusEntry[]> {
  const { hypervisor, disks, journal, intake, watch } = options
  const busy = intake.track()
  try {
    const [all, withDisks, arrivals] = await Promise.all([
      hypervisor.listDomains(),
      disks.list(),
      disks.arrivals(),
    ])
    watch.replace(new Map(all.map(({ uuid, powerState }) => [uuid, powerState])))
    const domains = new Map(
      all.filter(({ uuid, isLodge }) => isLodge || journal.isOnLedger(uuid)).map((one) => [one.uuid, one]),
    )
    const hasDisk = new Set(withDisks)
    const onLedger = journal.servers().map(({ serverId }) => serverId)
    return [...new Set([...domains.keys(), ...hasDisk, ...arrivals, ...onLedger])].map((serverId) => ({
      serverId,
      powerState: stateOf(domains.get(serverId)),
      hasDomain: domains.has(serverId),
      hasDisk: hasDisk.has(serverId),
      busy: busy.touched(serverId),
    }))
  } finally {
    busy.end()
  }
}

const stateOf = (domain: DomainSummary | undefined): PowerState => domain?.powerState ?? powerState.NOSTATE
