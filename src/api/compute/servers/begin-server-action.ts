import { actionDeadline, type ActionParams, type ConductedAction } from '../../../model/action.ts'
import { allowedStates, type GuardedAction } from '../../../model/allowed-states.ts'
import type { Server } from '../../../model/server.ts'
import type { TaskState } from '../../../model/server-state.ts'
import { beginAction } from '../../../store/actions.ts'
import type { ServerPatch } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest, ApiServices } from '../../common/route.ts'
import { requireServer } from './find-server.ts'
import { checkAllowed, overtaken } from './guard.ts'

export interface ServerActionRequest<N extends Exclude<ConductedAction, 'create'>> {
  name: N
  /** Whose row of allowed states holds; for reboots it depends on the type. */
  guard: GuardedAction
  patch: ServerPatch & { taskState: TaskState }
  params: ActionParams[N]
}

/**
 * Begins an action on the server that the URL names, in one transaction: checks, task state, action. What it answers
 * with 202 is on disk when it returns.
 * @param prepare more to check and to write in the same transaction, once the server is known to allow the action
 * @throws LodgeError notFound, conflict
 */
export async function beginServerAction<N extends Exclude<ConductedAction, 'create'>>(
  services: ApiServices,
  request: ApiRequest,
  asked: ServerActionRequest<N>,
  prepare?: (trx: Db, server: Server) => Promise<void>,
): Promise<void> {
  const { store, clock, config } = services
  await store.transaction(async (trx) => {
    const server = await requireServer(trx, request)
    checkAllowed(server, asked.guard, request.caller)
    await prepare?.(trx, server)
    const now = clock.now()
    const action = await beginAction(trx, {
      serverId: server.id,
      name: asked.name,
      requestId: request.requestId,
      projectId: request.caller.projectId ?? server.projectId,
      userId: request.caller.userId,
      params: asked.params,
      now,
      deadline: actionDeadline(asked.name, now, config.conductor),
      change: { allowed: allowedStates[asked.guard], patch: asked.patch },
    })
    // A second delete while the first is at work is no error, in Nova neither.
    if (!action && asked.name !== 'delete') throw overtaken(server, asked.guard)
  })
  services.wake()
}
