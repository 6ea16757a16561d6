import { purgeDeletedServers } from '../store/purge-servers.ts'
import type { ConductorContext } from './context.ts'

const dayMs = 86_400_000
const purgeEveryMs = 3_600_000
/** Servers in one transaction: everyone else waits for that long. */
const batchSize = 50

/**
 * Keeps the history of deleted servers from growing for ever. Returns what is to be called every tick: once an hour it
 * forgets what is older than the settings say, a batch at each tick until nothing is left.
 */
export function createPurge({ config, writer, log }: ConductorContext): (now: number) => Promise<void> {
  const keptMs = config.conductor.keepDeletedDays * dayMs
  let dueAt = -Infinity
  let purged = 0

  return async (now) => {
    if (keptMs === 0 || (now < dueAt && dueAt - now <= purgeEveryMs)) return
    const count = await writer.write((trx) =>
      purgeDeletedServers(trx, { before: now - keptMs, limit: batchSize }),
    )
    purged += count
    if (count === batchSize) return
    if (purged > 0) log.info({ servers: purged }, 'forgot servers that were deleted long ago')
    purged = 0
    dueAt = now + purgeEveryMs
  }
}
