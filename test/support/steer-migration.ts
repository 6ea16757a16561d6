import { newRequestId } from '../../src/base/ids.ts'
import { actionDeadline, type Action } from '../../src/model/action.ts'
import type { Server } from '../../src/model/server.ts'
import { beginAction } from '../../src/store/actions.ts'
import type { Stage } from '../functional/conductor/stage.ts'

/** Asks for an action about a live migration, as the API does. */
export async function steerMigration(
  { store, config, conductor }: Stage,
  server: Server,
  name: 'live_migration_cancel' | 'live_migration_force_complete',
  migrationId: string,
): Promise<Action | null> {
  const now = Date.now()
  const action = await store.transaction((trx) =>
    beginAction(trx, {
      serverId: server.id,
      name,
      requestId: newRequestId(),
      projectId: server.projectId,
      userId: server.userId,
      params: { migrationId },
      now,
      deadline: actionDeadline(name, now, config.conductor),
    }),
  )
  conductor().wake()
  return action
}
