import { LodgeError } from '../../base/errors.ts'
import { isKind } from './domain-power.ts'
import { migrationJob, migrationOver, removeProbe } from './migration-parts.ts'
import type { PowerState } from '../../model/server-state.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/** How long libvirt may take to end the job: a link that is cut shows after half a minute. */
const waitMs = 45_000

export const migrateAbort: VerbRun<'migrateAbort'> = async (context, { serverId, params }, signal) => {
  const { hypervisor } = context
  // A move that has not begun yet will find it.
  context.migrations.noteMigration(params.migrationId, { aborted: true })
  await removeProbe(context, params.migrationId)
  if (!(await migrationJob(context, serverId))) return { result: await guestOf(context, serverId) }
  try {
    await hypervisor.abortJob(serverId)
  } catch (error) {
    // It ended in this moment.
    if (!isKind(error, 'conflict') && !isKind(error, 'notFound')) throw error
    if (await migrationJob(context, serverId)) throw error
  }
  if (!(await migrationOver(context, serverId, waitMs, signal)))
    throw new LodgeError('timeout', 'The migration has not ended yet')
  return { result: await guestOf(context, serverId) }
}

async function guestOf({ hypervisor }: VerbContext, serverId: string): Promise<{ guest: PowerState | null }> {
  return { guest: (await hypervisor.findDomain(serverId))?.powerState ?? null }
}
