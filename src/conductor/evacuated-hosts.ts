import type { Migration } from '../model/migration.ts'
import { listMigrations } from '../store/server-migrations.ts'
import { getServers } from '../store/servers.ts'
import { listServices } from '../store/services.ts'
import type { ConductorContext } from './context.ts'
import { removeEvacuated } from './reports/evacuated.ts'

const lookEveryMs = 5000

/**
 * Takes from a host what was evacuated from it as soon as the host is heard again; returns what is to be called every
 * tick. A host that has booted says so with a census of its own. One that only could not be reached, and whose agent may
 * not even have noticed, would run on with its guests until its next, minutes later.
 */
export function createEvacuatedHosts(context: ConductorContext): (now: number) => Promise<void> {
  const { store, log } = context
  const working = new Set<string>()
  let dueAt = -Infinity

  async function clean(host: string, evacuations: readonly Migration[], now: number): Promise<void> {
    const ids = [...new Set(evacuations.map(({ serverId }) => serverId))]
    for (const server of await getServers(store.db, ids))
      if (server.host !== host || server.deletedAt !== null)
        await removeEvacuated(context, { host, at: now }, server)
  }

  return async (now) => {
    if (now < dueAt && dueAt - now <= lookEveryMs) return
    dueAt = now + lookEveryMs
    const done = await listMigrations(store.db, { type: 'evacuation', status: 'done' })
    if (done.length === 0) return
    const services = await listServices(store.db, { binary: 'nova-compute' })
    const heardAt = new Map(services.map(({ host, lastSeenAt }) => [host, lastSeenAt]))
    for (const [host, evacuations] of Map.groupBy(done, ({ sourceHost }) => sourceHost ?? '')) {
      const heard = heardAt.get(host) ?? -Infinity
      const since = evacuations.filter(({ updatedAt }) => updatedAt < heard)
      if (since.length === 0 || now - heard > context.config.hosts.downAfterSeconds * 1000) continue
      if (working.has(host)) continue
      working.add(host)
      // The host takes its time, and the tick has other things to look after.
      clean(host, since, now)
        .catch((error: unknown) => log.error({ host, err: error }, 'an evacuated host was not cleaned'))
        .finally(() => working.delete(host))
    }
  }
}
