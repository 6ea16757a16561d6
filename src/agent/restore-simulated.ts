import type { HostJournal, LedgerEntry } from './host-journal.ts'
import { writeDomain } from './server/domain-power.ts'
import type { VerbContext } from './server/verb.ts'

/**
 * A simulated hypervisor lives and dies with this process, a real one does not. So that simulated hosts find their
 * guests again as real ones do, those on the ledger are made anew at the agent's start.
 */
export async function restoreSimulatedGuests(context: VerbContext, journal: HostJournal): Promise<void> {
  for (const entry of journal.servers())
    if (!(await context.hypervisor.findDomain(entry.serverId))) await restore(context, journal, entry)
}

async function restore(
  context: VerbContext,
  journal: HostJournal,
  { serverId, wanted }: LedgerEntry,
): Promise<void> {
  const { hypervisor } = context
  const spec = journal.spec(serverId)
  if (!spec) return
  const disks = await context.disks.prepare(spec)
  await hypervisor.define((await writeDomain(context, spec, disks)).xml)
  if (wanted === 'stopped') return
  await hypervisor.start(serverId)
  if (wanted === 'paused') await hypervisor.suspend(serverId)
  if (wanted === 'suspended') await hypervisor.managedSave(serverId)
}
