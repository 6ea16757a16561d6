import { newRequestId } from '../base/ids.ts'
import { actionDeadline } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { beginAction, liveActionsOf } from '../store/actions.ts'
import { getMigration } from '../store/server-migrations.ts'
import { serversWithResize } from '../store/servers.ts'
import type { ConductorContext } from './context.ts'

const sweepEveryMs = 5000

/**
 * Ends resizes that nobody ends. Returns what is to be called every tick. Where the settings say so, a resize is
 * confirmed by itself after a while. One whose server was given another state, such as by an administrator, has no end
 * of its own any more: what is left of it on the host that is not the server's is removed.
 */
export function createResizeSweep(context: ConductorContext): (now: number) => Promise<void> {
  const windowMs = context.config.conductor.resizeConfirmSeconds * 1000
  let dueAt = -Infinity

  async function isDue(server: Server, now: number): Promise<boolean> {
    if (server.vmState !== 'resized') return server.vmState !== 'error'
    if (windowMs === 0) return false
    const migration = await getMigration(context.store.db, { id: server.resize!.migrationId })
    return migration !== undefined && now - migration.updatedAt >= windowMs
  }

  return async (now) => {
    if (now < dueAt && dueAt - now <= sweepEveryMs) return
    dueAt = now + sweepEveryMs
    for (const server of await serversWithResize(context.store.db)) {
      if (!(await isDue(server, now))) continue
      const begun = await context.writer.write((trx) => endResize(context, trx, server, now))
      if (begun) context.wake()
    }
  }
}

async function endResize(
  context: ConductorContext,
  trx: Parameters<typeof beginAction>[0],
  server: Server,
  now: number,
): Promise<boolean> {
  if ((await liveActionsOf(trx, [server.id])).length > 0) return false
  const stays = server.host !== server.resize!.sourceHost || server.host === server.resize!.destHost
  const name = stays ? 'confirmResize' : 'revertResize'
  const action = await beginAction(trx, {
    serverId: server.id,
    name,
    requestId: newRequestId(),
    projectId: server.projectId,
    userId: server.userId,
    params: {},
    now,
    deadline: actionDeadline(name, now, context.config.conductor),
    change: {
      allowed: { vm: [server.vmState], task: 'none' },
      patch: { taskState: stays ? 'resize_confirming' : 'resize_reverting' },
    },
  })
  return action !== null
}
