import type { MigrationProgressReport } from '../../contract/report.ts'
import type { MigrationProgress, MigrationStatus } from '../../model/migration.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { compareAndSetTask } from '../../store/servers.ts'
import type { ConductorContext } from '../context.ts'

/** Notes how far a live migration has come, while it is under way, in its record and in its server. */
export async function noteProgress(
  context: ConductorContext,
  { serverId, migrationId, postCopy, progress }: MigrationProgressReport,
): Promise<void> {
  const status = postCopy ? 'running (post-copy)' : 'running'
  const now = context.clock.now()
  await context.writer.write(async (trx) => {
    if (!(await updateMigration(trx, migrationId, { status, progress }, now, underWay))) return
    const patch = { progress: percentOf(progress) }
    await compareAndSetTask(trx, serverId, { expectTask: ['migrating'] }, patch, now)
  })
}

const underWay: readonly MigrationStatus[] = ['queued', 'preparing', 'running', 'running (post-copy)']

/** How much of the memory is there, as in Nova; 0 to 100. */
function percentOf({ memoryTotalBytes = 0, memoryRemainingBytes = 0 }: MigrationProgress): number {
  if (memoryTotalBytes <= 0) return 0
  return Math.max(0, 100 - Math.round((memoryRemainingBytes * 100) / memoryTotalBytes))
}
