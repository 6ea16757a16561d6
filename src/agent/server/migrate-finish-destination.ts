import { LodgeError } from '../../base/errors.ts'
import { powerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { needDomain, runOn } from './domain-power.ts'
import { migrationOver } from './migration-parts.ts'
import type { VerbRun } from './verb.ts'

/** The two libvirtds may still be shaking hands when the source says that the guest has gone, or says nothing. */
const settleMs = 60_000

/** The guest has come: it is as it was wanted, its disks are this host's, and it is on the ledger from now on. */
export const migrateFinishDestination: VerbRun<'migrateFinishDestination'> = async (
  context,
  { serverId, params: { spec, wanted } },
  signal,
) => {
  await needDomain(context, serverId)
  if (!(await migrationOver(context, serverId, settleMs, signal)))
    throw new LodgeError('conflict', 'The guest is still on its way')
  const domain = await needDomain(context, serverId)
  if (!isActive(domain.powerState))
    throw new LodgeError('notFound', `The guest does not live on host ${context.host}`)
  await context.disks.take(serverId)
  if (wanted === 'running' && domain.powerState === powerState.PAUSED) await runOn(context, serverId)
  // Good to know, and no more.
  const went = await context.hypervisor.completedMigration(serverId).catch(() => undefined)
  return {
    result: {
      powerState: wanted === 'running' ? powerState.RUNNING : domain.powerState,
      ...(went && { went }),
    },
    change: { wanted, spec },
  }
}
