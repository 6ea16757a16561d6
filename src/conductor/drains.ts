import { newRequestId } from '../base/ids.ts'
import { actionDeadline, type Action } from '../model/action.ts'
import { wayOut } from '../model/drain.ts'
import type { Server } from '../model/server.ts'
import { beginAction, getActionByRequest, liveActionsOf } from '../store/actions.ts'
import { hostsInMaintenance } from '../store/drains.ts'
import { getMigration } from '../store/server-migrations.ts'
import { getServersOfHost, serversWithResize } from '../store/servers.ts'
import type { ConductorContext } from './context.ts'

/** While a host is being emptied, and while none is known to be. */
const lookEveryMs = { busy: 1000, idle: 5000 }
/** A server that could not be moved is tried again after this long. */
const tryAgainMs = 60_000

/**
 * Empties the hosts that are in maintenance. Returns what is to be called every tick: it begins as many moves as the
 * settings allow at once, and confirms those that wait for it. All it knows is in the store, so that whoever looks next
 * goes on: a host that is in maintenance, the servers that are on it still, and their actions.
 */
export function createDrains(context: ConductorContext): (now: number) => Promise<void> {
  const { db } = context.store
  const begunAt = new Map<string, number>()
  let dueAt = -Infinity

  async function drain(host: string, now: number): Promise<void> {
    const servers = await getServersOfHost(db, host)
    const live = new Map(
      (
        await liveActionsOf(
          db,
          servers.map(({ id }) => id),
        )
      ).map((one) => [one.serverId, one]),
    )
    let moving = [...live.values()].filter(isMove).length
    for (const server of servers) {
      if (moving >= context.config.fleet.drainParallel) return
      if (live.has(server.id) || server.taskState !== null) continue
      if (now - (begunAt.get(server.id) ?? -Infinity) < tryAgainMs) continue
      if (!(await leave(context, server, now))) continue
      begunAt.set(server.id, now)
      moving += 1
    }
  }

  /** What a drain has moved shut down needs nobody to look at it. */
  async function confirm(hosts: ReadonlySet<string>, now: number): Promise<void> {
    for (const server of await serversWithResize(db)) {
      if (server.vmState !== 'resized' || !hosts.has(server.resize!.sourceHost)) continue
      if (await isOfDrain(context, server)) await begin(context, server, 'confirmResize', now)
    }
  }

  return async (now) => {
    if (now < dueAt && dueAt - now <= lookEveryMs.idle) return
    const hosts = await hostsInMaintenance(db)
    dueAt = now + (hosts.length > 0 ? lookEveryMs.busy : lookEveryMs.idle)
    if (hosts.length === 0) return begunAt.clear()
    for (const host of hosts) await drain(host, now)
    await confirm(new Set(hosts), now)
  }
}

const isMove = ({ name }: Action): boolean =>
  name === 'live-migration' || name === 'migrate' || name === 'resize'

async function isOfDrain({ store }: ConductorContext, server: Server): Promise<boolean> {
  const migration = await getMigration(store.db, { id: server.resize!.migrationId })
  const action = migration && (await getActionByRequest(store.db, server.id, migration.requestId))
  return action?.params['drain'] === true
}

async function leave(context: ConductorContext, server: Server, now: number): Promise<boolean> {
  const way = wayOut(server)
  return way !== null && begin(context, server, way, now)
}

async function begin(
  context: ConductorContext,
  server: Server,
  name: 'live-migration' | 'migrate' | 'confirmResize',
  now: number,
): Promise<boolean> {
  const common = {
    serverId: server.id,
    requestId: newRequestId(),
    projectId: server.projectId,
    userId: server.userId,
    now,
    deadline: actionDeadline(name, now, context.config.conductor),
  }
  const allowed = { vm: [server.vmState], task: 'none' } as const
  const action = await context.writer.write(async (trx) => {
    if ((await liveActionsOf(trx, [server.id])).length > 0) return null
    if (name === 'live-migration')
      return beginAction(trx, {
        ...common,
        name,
        params: { host: null, force: false, blockMigration: 'auto' },
        change: { allowed, patch: { taskState: 'migrating' } },
      })
    if (name === 'migrate')
      return beginAction(trx, {
        ...common,
        name,
        params: { drain: true },
        change: { allowed, patch: { taskState: 'resize_prep' } },
      })
    return beginAction(trx, {
      ...common,
      name,
      params: {},
      change: { allowed, patch: { taskState: 'resize_confirming' } },
    })
  })
  if (action) context.wake()
  return action !== null
}
