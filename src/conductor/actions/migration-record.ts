import { insertMigration, type NewMigration } from '../../store/server-migrations.ts'
import type { Db } from '../../store/store.ts'
import type { ActionScene } from '../step.ts'

/** What an action says of its move; the flavor stays unless it says another. */
type Move = Pick<NewMigration, 'type' | 'status' | 'sourceHost' | 'destHost'> &
  Partial<Pick<NewMigration, 'oldFlavorId' | 'newFlavorId'>>

/** Writes the record of the move that an action begins. Returns its id. */
export async function recordMigration(
  trx: Db,
  { server, action, context }: ActionScene,
  move: Move,
): Promise<string> {
  const { id } = await insertMigration(
    trx,
    {
      serverId: server.id,
      requestId: action.requestId,
      projectId: action.projectId,
      userId: action.userId,
      oldFlavorId: server.flavor.id,
      newFlavorId: server.flavor.id,
      ...move,
    },
    context.clock.now(),
  )
  return id
}
