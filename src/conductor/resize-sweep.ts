import type { Server } from '../model/server.ts'
import { getMigration } from '../store/server-migrations.ts'
import { serversWithResize } from '../store/servers.ts'
import type { ConductorContext } from './context.ts'
import { endResize } from './end-resize.ts'

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
      const stays = server.host !== server.resize!.sourceHost || server.host === server.resize!.destHost
      const end = stays ? 'confirmResize' : 'revertResize'
      const begun = await context.writer.write((trx) => endResize(context, trx, server, end))
      if (begun) context.wake()
    }
  }
}
