import type { MigrationProgressReport } from '../../contract/report.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import type { ConductorContext } from '../context.ts'

/** Notes how far a live migration has come, while it is under way. */
export async function noteProgress(
  context: ConductorContext,
  { migrationId, postCopy, progress }: MigrationProgressReport,
): Promise<void> {
  const status = postCopy ? 'running (post-copy)' : 'running'
  await context.writer.write((trx) =>
    updateMigration(trx, migrationId, { status, progress }, context.clock.now(), [
      'preparing',
      'running',
      'running (post-copy)',
    ]),
  )
}
