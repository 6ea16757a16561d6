import { newRequestId } from '../base/ids.ts'
import { actionDeadline } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { beginAction, liveActionsOf } from '../store/actions.ts'
import type { Db } from '../store/store.ts'
import type { ConductorContext } from './context.ts'

const tasks = { confirmResize: 'resize_confirming', revertResize: 'resize_reverting' } as const

/** Begins the action of Lodge's own accord. False where something is at work on the server, or it has changed. */
export async function endResize(
  context: ConductorContext,
  trx: Db,
  server: Server,
  name: keyof typeof tasks,
): Promise<boolean> {
  if ((await liveActionsOf(trx, [server.id])).length > 0) return false
  const now = context.clock.now()
  const action = await beginAction(trx, {
    serverId: server.id,
    name,
    requestId: newRequestId(),
    projectId: server.projectId,
    userId: server.userId,
    params: {},
    now,
    deadline: actionDeadline(name, now, context.config.conductor),
    change: { allowed: { vm: [server.vmState], task: 'none' }, patch: { taskState: tasks[name] } },
  })
  return action !== null
}
