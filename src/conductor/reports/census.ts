import type { CensusEntry, CensusReport } from '../../contract/report.ts'
import type { Action } from '../../model/action.ts'
import type { Server } from '../../model/server.ts'
import { powerState } from '../../model/server-state.ts'
import { listActions, liveActionsOf } from '../../store/actions.ts'
import { insertFault } from '../../store/server-faults.ts'
import { compareAndSetTask, getServers, getServersOfHost } from '../../store/servers.ts'
import type { ConductorContext } from '../context.ts'
import { powerNow, syncPower } from './power-sync.ts'

/** A census taken so shortly after a server's last change may not know of it. */
const graceMs = 5000

/**
 * Holds all that a host has of servers against the store, and mends the differences:
 * - a server without a task is brought in line with its guest's power state; with a disk and no domain it is off;
 * - a server that has neither domain nor disk on its host any more is in ERROR with a fault that says so;
 * - what a host still has of a server that is deleted, or of a build that was abandoned there, is removed;
 * - a domain that the store knows nothing of, or whose server is elsewhere, is only logged: nobody said what it is.
 * Servers that the host or an action is busy with are passed over.
 */
export async function takeCensus(context: ConductorContext, report: CensusReport): Promise<void> {
  const { db } = context.store
  const here = await getServersOfHost(db, report.host)
  const servers = new Map(here.map((server) => [server.id, server]))
  const strangers = report.servers.map(({ serverId }) => serverId).filter((id) => !servers.has(id))
  for (const server of await getServers(db, strangers)) servers.set(server.id, server)
  const live = new Set((await liveActionsOf(db, [...servers.keys()])).map(({ serverId }) => serverId))

  const counted = new Set<string>()
  for (const entry of report.servers) {
    counted.add(entry.serverId)
    if (entry.busy || live.has(entry.serverId)) continue
    const server = servers.get(entry.serverId)
    if (server && server.deletedAt === null && server.host === report.host)
      await mend(context, report, server, entry)
    else await judgeStray(context, report, entry, server)
  }
  for (const server of here)
    if (!counted.has(server.id) && !live.has(server.id)) await mend(context, report, server, null)
}

async function mend(
  context: ConductorContext,
  report: CensusReport,
  server: Server,
  entry: CensusEntry | null,
): Promise<void> {
  if (server.taskState !== null || report.at - server.updatedAt < graceMs) return
  if (entry?.hasDomain || entry?.hasDisk) {
    const seen = entry.hasDomain ? entry.powerState : powerState.SHUTDOWN
    if (seen === server.powerState && !canDiffer(server)) return
    await syncPower(context, {
      host: report.host,
      serverId: server.id,
      powerState: seen,
      cause: entry.hasDomain ? 'census' : 'census: no domain',
      withoutDomain: !entry.hasDomain,
    })
    return
  }
  if (server.vmState !== 'error') await markLost(context, report, server)
}

/** States whose power state may be as noted and yet not as the state wants it. */
const canDiffer = (server: Server): boolean => server.vmState === 'active' || server.vmState === 'stopped'

async function markLost(context: ConductorContext, report: CensusReport, server: Server): Promise<void> {
  const seen = await powerNow(context, { host: report.host, serverId: server.id })
  if (seen !== powerState.NOSTATE) return
  const now = context.clock.now()
  await context.writer.write(async (trx) => {
    if ((await liveActionsOf(trx, [server.id])).length > 0) return
    const unchanged = { expectVm: [server.vmState], expectTask: [null] }
    const patch = { vmState: 'error', powerState: powerState.NOSTATE } as const
    if (!(await compareAndSetTask(trx, server.id, unchanged, patch, now))) return
    await insertFault(trx, server.id, {
      code: 500,
      message: 'The server has neither a domain nor a disk on its host any more.',
      details: `Found by the census of host ${report.host}.`,
      createdAt: now,
    })
    context.log.error({ server: server.id, host: report.host }, 'domain and disk of a server are gone')
  })
}

/** A guest on a host that by the store is not the host of such a server. */
async function judgeStray(
  context: ConductorContext,
  report: CensusReport,
  entry: CensusEntry,
  server: Server | undefined,
): Promise<void> {
  const facts = { server: entry.serverId, host: report.host, recordedHost: server?.host ?? null }
  if (!server) return context.log.warn(facts, 'a domain or disk carries the id of a server that nobody knows')
  const rule = await reapingRule(context, report.host, server)
  if (!rule) return context.log.warn(facts, 'a domain or disk of a server lies on a host that is not its own')
  context.log.info({ ...facts, rule }, 'removing what is left of a server')
  try {
    const outcome = await context.bus.send({
      version: 1,
      id: `reap-${server.id}-${report.at}`,
      host: report.host,
      serverId: server.id,
      verb: 'destroy',
      params: {},
      requestId: 'census',
    })
    if (!outcome.ok) context.log.warn({ ...facts, fault: outcome.fault.message }, 'removing it failed')
  } catch (error) {
    context.log.warn({ ...facts, err: error }, 'removing it failed; the next census tries again')
  }
}

/** Why a stray may be removed; null: nothing says so. */
async function reapingRule(context: ConductorContext, host: string, server: Server): Promise<string | null> {
  if (server.deletedAt !== null) return 'its server is deleted'
  const actions = (await listActions(context.store.db, server.id)) ?? []
  const create = actions.find((action) => action.name === 'create')
  return create && wasAbandoned(create, host) ? 'a build was given up on this host' : null
}

const wasAbandoned = (create: Action, host: string): boolean =>
  ((create.progress['abandoned'] as string[] | undefined) ?? []).includes(host)
