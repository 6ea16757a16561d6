import type { MigrationNeeds } from '../../contract/command.ts'
import type { CensusEntry } from '../../contract/report.ts'
import { endedMigrationStatuses } from '../../model/migration.ts'
import type { Server } from '../../model/server.ts'
import { powerState } from '../../model/server-state.ts'
import { getActionByRequest } from '../../store/actions.ts'
import { listMigrations } from '../../store/server-migrations.ts'
import type { Db } from '../../store/store.ts'

/**
 * Whether what a host has of a server that is elsewhere was left there by its last live migration from or to this host:
 * by one that came about, or the disks of one that did not. A guest that lives where a failed migration should have
 * brought it is not for a rule to end. Disks that both hosts see belong to the one that has the server, and stay.
 */
export async function isLeftByLiveMigration(
  db: Db,
  host: string,
  server: Server,
  entry: CensusEntry,
): Promise<boolean> {
  if (server.host === null) return false
  const [last] = await listMigrations(db, { serverId: server.id, host, type: 'live-migration' }, { limit: 1 })
  if (!last || !endedMigrationStatuses.includes(last.status)) return false
  const lives = entry.hasDomain && entry.powerState !== powerState.SHUTDOWN
  if (lives && last.status !== 'completed') return false
  const action = await getActionByRequest(db, server.id, last.requestId)
  const needs = action?.progress['needs'] as MigrationNeeds | undefined
  return needs !== undefined
}
