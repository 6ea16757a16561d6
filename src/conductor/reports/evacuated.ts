import type { CensusReport } from '../../contract/report.ts'
import type { Migration } from '../../model/migration.ts'
import type { Server } from '../../model/server.ts'
import { release } from '../../store/allocations.ts'
import { listMigrations, updateMigration } from '../../store/server-migrations.ts'
import { getServers } from '../../store/servers.ts'
import type { ConductorContext } from '../context.ts'
import { removeStray } from './remove-stray.ts'

/**
 * The fence of an evacuation: the host that was dead is back with a server that lives elsewhere by now. Its guest and
 * its disks go, whatever else is under way, then what was allocated there.
 */
export async function removeEvacuated(
  context: ConductorContext,
  report: Pick<CensusReport, 'host' | 'at'>,
  server: Server,
): Promise<void> {
  const evacuations = await listMigrations(context.store.db, {
    serverId: server.id,
    type: 'evacuation',
    sourceHost: report.host,
    status: 'done',
  })
  if (evacuations.length === 0) return
  if (!(await removeStray(context, report, server, 'it was evacuated from here'))) return
  await endEvacuations(context, report.host, evacuations)
}

/** Evacuations from a host that has nothing of their servers any more. */
async function endEvacuations(
  context: ConductorContext,
  host: string,
  evacuations: readonly Migration[],
): Promise<void> {
  const now = context.clock.now()
  await context.writer.write(async (trx) => {
    for (const { id, serverId } of evacuations) {
      if (!(await updateMigration(trx, id, { status: 'completed' }, now, ['done']))) continue
      for (const { resources } of await release(trx, serverId, host)) context.hosts.take(host, resources, -1)
    }
  })
}

/** What the host had was lost with it: nothing of these servers is in its census. */
export async function endEvacuationsWithoutTrace(
  context: ConductorContext,
  report: CensusReport,
): Promise<void> {
  const { db } = context.store
  const all = await listMigrations(db, { type: 'evacuation', sourceHost: report.host, status: 'done' })
  if (all.length === 0) return
  const present = new Set(report.servers.map(({ serverId }) => serverId))
  const servers = new Map(
    (
      await getServers(
        db,
        all.map(({ serverId }) => serverId),
      )
    ).map((one) => [one.id, one]),
  )
  const over = all.filter(
    ({ serverId, updatedAt }) =>
      !present.has(serverId) && updatedAt < report.at && servers.get(serverId)?.host !== report.host,
  )
  if (over.length > 0) await endEvacuations(context, report.host, over)
}
