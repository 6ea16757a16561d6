import type { DomainJob, JobAmount } from '../../hypervisor/hypervisor.ts'
import type { VerbContext } from './verb.ts'

/** Tells the controller that a migration is under way, and how far it is; before its job has begun, nothing of that. */
export async function reportMigration(
  context: VerbContext,
  { serverId, migrationId, job }: { serverId: string; migrationId: string; job?: DomainJob },
): Promise<void> {
  const { memory = nothing, disk = nothing } = job ?? {}
  await context.report({
    version: 1,
    type: 'migration-progress',
    host: context.host,
    at: context.clock.now(),
    serverId,
    migrationId,
    postCopy: context.migrations.find(migrationId)?.postCopy === 'begun',
    progress: {
      memoryTotalBytes: memory.total,
      memoryProcessedBytes: memory.processed,
      memoryRemainingBytes: memory.remaining,
      diskTotalBytes: disk.total,
      diskProcessedBytes: disk.processed,
      diskRemainingBytes: disk.remaining,
    },
  })
}

const nothing: JobAmount = { total: 0, processed: 0, remaining: 0 }
