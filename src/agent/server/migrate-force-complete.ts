import { LodgeError } from '../../base/errors.ts'
import type { DomainJob } from '../../hypervisor/hypervisor.ts'
import { powerState } from '../../model/server-state.ts'
import { migrationJob } from './migration-parts.ts'
import { reportMigration } from './report-migration.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Lets a move end soon. By post-copy the guest goes on at its destination before its memory is there; else it is halted
 * here, so that nothing is written any more, and goes on when it is there. A move that fails nevertheless lets it go on
 * here: libvirt sees to that.
 * @throws LodgeError conflict when no move is under way
 */
export const migrateForceComplete: VerbRun<'migrateForceComplete'> = async (
  context,
  { serverId, params: { migrationId } },
) => {
  const job = await migrationJob(context, serverId)
  if (!job)
    throw new LodgeError('conflict', `No migration of the server is under way on host ${context.host}`)
  await forceComplete(context, { serverId, migrationId, job })
  return { result: {} }
}

export interface RunningMigration {
  serverId: string
  migrationId: string
  job: DomainJob
}

/** See `migrateForceComplete`. */
export async function forceComplete(context: VerbContext, migration: RunningMigration): Promise<void> {
  const { hypervisor, settings, migrations } = context
  const { serverId, migrationId } = migration
  if (settings.migration.postCopy) {
    migrations.noteMigration(migrationId, { postCopy: 'wanted' })
    return beginPostCopy(context, migration)
  }
  const domain = await hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.RUNNING) await hypervisor.suspend(serverId)
}

/** Goes over to post-copy where that is wanted, as soon as memory is on its way: disks go before it. */
export async function beginPostCopy(
  context: VerbContext,
  { serverId, migrationId, job }: RunningMigration,
): Promise<void> {
  const { hypervisor, migrations } = context
  if (migrations.find(migrationId)?.postCopy !== 'wanted' || job.memory.processed === 0) return
  await hypervisor.startPostCopy(serverId)
  migrations.noteMigration(migrationId, { postCopy: 'begun' })
  await reportMigration(context, { serverId, migrationId, job })
}
