import type { MigrationNeeds } from '../../contract/command.ts'
import type { CensusEntry } from '../../contract/report.ts'
import { endedMigrationStatuses } from '../../model/migration.ts'
import type { Server } from '../../model/server.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import { getActionByRequest } from '../../store/actions.ts'
import { listMigrations } from '../../store/server-migrations.ts'
import type { Db } from '../../store/store.ts'

/**
 * Whether the guest that is halted on its host was halted there by its last live migration, which failed while that host
 * was silent: it may have run at the destination. That has said since that it has nothing of it, so the guest may run on.
 */
export async function isHaltedByLiveMigration(db: Db, server: Server, seen: PowerState): Promise<boolean> {
  if (server.vmState !== 'active' || seen !== powerState.PAUSED) return false
  const [last] = await listMigrations(db, { serverId: server.id, type: 'live-migration' }, { limit: 1 })
  if (last?.sourceHost !== server.host || last.status === 'completed') return false
  const action = await getActionByRequest(db, server.id, last.requestId)
  return action?.progress['removedAtDest'] === true && typeof action.progress['atSource'] !== 'number'
}

/**
 * Whether what a host has of a server that is elsewhere was left there by its last live migration from or to this host:
 * by one that came about, or by one that did not. A guest that lives where a failed migration should have brought it is
 * ended only if the source has said that it is there: nobody guesses. Disks that both hosts see belong to the one that has the server, and stay.
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
  const action = await getActionByRequest(db, server.id, last.requestId)
  const stayed = typeof action?.progress['atSource'] === 'number' && server.host === last.sourceHost
  if (lives && last.status !== 'completed' && !stayed) return false
  const needs = action?.progress['needs'] as MigrationNeeds | undefined
  return needs !== undefined
}
