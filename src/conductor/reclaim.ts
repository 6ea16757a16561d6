import { newRequestId } from '../base/ids.ts'
import { actionDeadline } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { allowedStates } from '../model/allowed-states.ts'
import { beginAction } from '../store/actions.ts'
import { softDeletedBefore } from '../store/soft-deleted.ts'
import type { ConductorContext } from './context.ts'

const lookEveryMs = 5000
/** Deletes that are begun at one look. */
const batchSize = 50

/** Deletes what was deleted softly and not restored in time. Returns what is to be called every tick. */
export function createReclaim(context: ConductorContext): (now: number) => Promise<void> {
  const keptMs = context.config.conductor.reclaimSeconds * 1000
  let dueAt = -Infinity

  return async (now) => {
    if (keptMs === 0 || (now < dueAt && dueAt - now <= lookEveryMs)) return
    dueAt = now + lookEveryMs
    for (const server of await softDeletedBefore(context.store.db, now - keptMs, batchSize))
      if (await reclaim(context, server, now)) context.wake()
  }
}

const reclaim = ({ config, writer }: ConductorContext, server: Server, now: number) =>
  writer.write((trx) =>
    beginAction(trx, {
      serverId: server.id,
      name: 'delete',
      requestId: newRequestId(),
      projectId: server.projectId,
      userId: server.userId,
      params: {},
      now,
      deadline: actionDeadline('delete', now, config.conductor),
      change: { allowed: allowedStates.restore, patch: { taskState: 'deleting' } },
    }),
  )
