import { LodgeError } from '../../base/errors.ts'
import { powerState } from '../../model/server-state.ts'
import { migrationJob } from './migration-parts.ts'
import type { VerbContext, VerbRun } from './verb.ts'

export const migrateForceComplete: VerbRun<'migrateForceComplete'> = async (
  context,
  { serverId, params },
) => {
  await forceComplete(context, serverId, params.migrationId)
  return { result: {} }
}

/**
 * Lets a move end soon. By post-copy the guest goes on at its destination before its memory is there; else it is halted
 * here, so that nothing is written any more, and goes on when it is there.
 * @throws LodgeError conflict when no move is under way
 */
export async function forceComplete(
  context: VerbContext,
  serverId: string,
  migrationId: string,
): Promise<void> {
  const { hypervisor, settings } = context
  if (!(await migrationJob(context, serverId)))
    throw new LodgeError('conflict', `No migration of the server is under way on host ${context.host}`)
  if (settings.migration.postCopy) {
    await hypervisor.startPostCopy(serverId)
    context.migrations.noteMigration(migrationId, { postCopy: true })
    return
  }
  const domain = await hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.RUNNING) {
    await hypervisor.suspend(serverId)
    context.migrations.noteMigration(migrationId, { paused: true })
  }
}
