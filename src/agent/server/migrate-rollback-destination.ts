import { powerState } from '../../model/server-state.ts'
import { removeDomain } from './migrate-finish-source.ts'
import { migrationJob, removeProbe } from './migration-parts.ts'
import { removeServer } from './remove-server.ts'
import type { VerbRun } from './verb.ts'

/**
 * The move failed: what was made here for the guest goes. A guest that lives here after all is left alone and taken onto
 * the ledger, since it can be in one place only. Where the source has it too, the one that runs here has gone over, and the
 * other was halted for it.
 */
export const migrateRollbackDestination: VerbRun<'migrateRollbackDestination'> = async (
  context,
  { serverId, params },
) => {
  await removeProbe(context, params.migrationId)
  const domain = await context.hypervisor.findDomain(serverId)
  const isComing = (await migrationJob(context, serverId))?.operation === 'migration-in'
  const lives = params.atSource
    ? domain?.powerState === powerState.RUNNING
    : domain !== undefined && domain.powerState !== powerState.SHUTDOWN
  if (domain && lives && !isComing) {
    await context.disks.take(serverId)
    return {
      result: { guest: domain.powerState },
      change: {
        wanted: domain.powerState === powerState.RUNNING ? 'running' : 'paused',
        spec: params.spec,
      },
    }
  }
  if (params.sharedStorage) await removeDomain(context, serverId)
  else await removeServer(context, serverId)
  return { result: { guest: null }, change: 'remove' }
}
