import type { CensusEntry, CensusReport } from '../../contract/report.ts'
import type { Action } from '../../model/action.ts'
import { endedMigrationStatuses } from '../../model/migration.ts'
import type { Server } from '../../model/server.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import { listActions, liveActionsOf } from '../../store/actions.ts'
import { listMigrations } from '../../store/server-migrations.ts'
import { insertFault } from '../../store/server-faults.ts'
import { compareAndSetTask, getServers, getServersOfHost } from '../../store/servers.ts'
import type { ConductorContext } from '../context.ts'
import { endResize } from '../end-resize.ts'
import { endEvacuationsWithoutTrace, removeEvacuated } from './evacuated.ts'
import { isHaltedByLiveMigration, isLeftByLiveMigration } from './left-by-live-migration.ts'
import { letRunOn } from './let-run-on.ts'
import { remedyFor } from './power-rule.ts'
import { powerNow, syncPower } from './power-sync.ts'
import { removeStray } from './remove-stray.ts'

/** A census taken so shortly after a server's last change may not know of it: what it says is asked for once more. */
const graceMs = 5000

/**
 * Holds all that a host has of servers against the store, and mends the differences:
 * - a server without a task is brought in line with its guest's power state; with a disk and no domain it is off;
 * - a server that has neither domain nor disk on its host any more is in ERROR with a fault that says so; one that waits
 *   there for the confirmation of its move is taken back, since what its former host has kept is all there is of it;
 * - what a host still has of a server that is deleted, or of a build that was abandoned there, is removed;
 * - a domain that the store knows nothing of, or whose server is elsewhere, is only logged: nobody said what it is.
 * Servers that the host or an action is busy with are passed over. Of a host that awaits its admission only what is not
 * its own is looked at: it may be about to start its guests, and counts again once it is admitted.
 */
export async function takeCensus(context: ConductorContext, report: CensusReport): Promise<void> {
  const { db } = context.store
  const here = await getServersOfHost(db, report.host)
  const servers = new Map(here.map((server) => [server.id, server]))
  const strangers = report.servers.map(({ serverId }) => serverId).filter((id) => !servers.has(id))
  for (const server of await getServers(db, strangers)) servers.set(server.id, server)
  const live = new Set((await liveActionsOf(db, [...servers.keys()])).map(({ serverId }) => serverId))

  // What has moved away goes before anything else: here it may still run.
  for (const entry of report.servers) {
    const server = servers.get(entry.serverId)
    if (server && server.host !== report.host) await removeEvacuated(context, report, server)
  }
  const counted = new Set<string>()
  for (const entry of report.servers) {
    counted.add(entry.serverId)
    if (entry.busy || live.has(entry.serverId)) continue
    const server = servers.get(entry.serverId)
    if (server && server.deletedAt === null && server.host === report.host) {
      if (!report.awaitsAdmission) await mend(context, report, server, entry)
    } else await judgeStray(context, report, entry, server)
  }
  await endEvacuationsWithoutTrace(context, report)
  if (report.awaitsAdmission) return
  for (const server of here)
    if (!counted.has(server.id) && !live.has(server.id)) await mend(context, report, server, null)
}

async function mend(
  context: ConductorContext,
  report: CensusReport,
  server: Server,
  entry: CensusEntry | null,
): Promise<void> {
  if (server.taskState !== null) return
  const isFresh = report.at - server.updatedAt < graceMs
  if (entry?.hasDomain || entry?.hasDisk) {
    const counted = entry.hasDomain ? entry.powerState : powerState.SHUTDOWN
    if (await isHaltedByLiveMigration(context.store.db, server, counted))
      return letRunOn(context, report, server)
    if (isInOrder(server, counted)) return
    const asked = isFresh ? await powerNow(context, { host: report.host, serverId: server.id }) : counted
    if (asked === undefined) return
    const hasDomain = isFresh ? asked !== powerState.NOSTATE : entry.hasDomain
    await syncPower(context, {
      host: report.host,
      serverId: server.id,
      powerState: hasDomain ? asked : powerState.SHUTDOWN,
      cause: hasDomain ? 'census' : 'census: no domain',
      withoutDomain: !hasDomain,
    })
    return
  }
  if (isFresh || (await takeBack(context, report, server))) return
  if (server.vmState !== 'error') await markLost(context, report, server)
}

/** The power state is as noted, and as the server's state wants it. */
const isInOrder = (server: Server, seen: PowerState): boolean =>
  seen === server.powerState && remedyFor(server.vmState, seen) === 'note'

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

/**
 * A server that has moved here from a host that has kept its disks goes back to them. What was taken back too late, after
 * its action had failed, comes to this.
 */
async function takeBack(context: ConductorContext, report: CensusReport, server: Server): Promise<boolean> {
  const { resize } = server
  if (!resize || resize.destHost !== report.host || resize.sourceHost === report.host) return false
  const seen = await powerNow(context, { host: report.host, serverId: server.id })
  if (seen !== powerState.NOSTATE) return true
  const facts = { server: server.id, host: report.host, source: resize.sourceHost }
  context.log.warn(facts, 'a server that was moved is not where it was moved to: taking it back')
  await context.writer.write((trx) => endResize(context, trx, server, 'revertResize'))
  context.wake()
  return true
}

/** A guest on a host that by the store is not the host of such a server. */
async function judgeStray(
  context: ConductorContext,
  report: CensusReport,
  entry: CensusEntry,
  server: Server | undefined,
): Promise<void> {
  const facts = { server: entry.serverId, host: report.host, recordedHost: server?.host ?? null }
  if (server?.deletedAt === null && server.resize?.sourceHost === report.host) return
  if (!server) return context.log.warn(facts, 'a domain or disk carries the id of a server that nobody knows')
  const rule = await reapingRule(context, report.host, server, entry)
  if (!rule) return context.log.warn(facts, 'a domain or disk of a server lies on a host that is not its own')
  await removeStray(context, report, server, rule)
}

/** Why a stray may be removed; null: nothing says so. */
async function reapingRule(
  context: ConductorContext,
  host: string,
  server: Server,
  entry: CensusEntry,
): Promise<string | null> {
  if (server.deletedAt !== null) return 'its server is deleted'
  if (await hasMovedAway(context, host, server)) return 'it has moved away'
  if (await isLeftByLiveMigration(context.store.db, host, server, entry))
    return 'a live migration left it there'
  const actions = (await listActions(context.store.db, server.id)) ?? []
  const create = actions.find((action) => action.name === 'create')
  return create && wasAbandoned(create, host) ? 'a build was given up on this host' : null
}

/** A cold migration from or to this host has come to its end, and the server is elsewhere. */
async function hasMovedAway(context: ConductorContext, host: string, server: Server): Promise<boolean> {
  if (server.host === null || server.resize !== null) return false
  const moves = await listMigrations(context.store.db, { serverId: server.id, host })
  return moves.some(
    ({ type, status }) =>
      (type === 'resize' || type === 'migration' || type === 'evacuation') &&
      endedMigrationStatuses.includes(status),
  )
}

const wasAbandoned = (create: Action, host: string): boolean =>
  ((create.progress['abandoned'] as string[] | undefined) ?? []).includes(host)
