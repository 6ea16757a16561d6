import type { Selectable } from 'kysely'
import { LodgeError } from '../base/errors.ts'
import { newUuid } from '../base/ids.ts'
import {
  liveMigrationStatuses,
  type Migration,
  type MigrationProgress,
  type MigrationStatus,
} from '../model/migration.ts'
import type { MigrationsTable } from './schema.ts'
import type { Db } from './store.ts'

export type NewMigration = Pick<
  Migration,
  | 'serverId'
  | 'requestId'
  | 'projectId'
  | 'userId'
  | 'type'
  | 'status'
  | 'sourceHost'
  | 'destHost'
  | 'oldFlavorId'
  | 'newFlavorId'
>

/** Begins the record of a server's move. */
export async function insertMigration(trx: Db, migration: NewMigration, now: number): Promise<Migration> {
  const row = await trx
    .insertInto('migrations')
    .values({
      id: newUuid(),
      server_id: migration.serverId,
      request_id: migration.requestId,
      project_id: migration.projectId,
      user_id: migration.userId,
      type: migration.type,
      status: migration.status,
      source_host: migration.sourceHost,
      dest_host: migration.destHost,
      old_flavor_id: migration.oldFlavorId,
      new_flavor_id: migration.newFlavorId,
      progress_json: '{}',
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return migrationFromRow(row)
}

export interface MigrationPatch {
  status?: MigrationStatus
  destHost?: string | null
  newFlavorId?: string
  progress?: MigrationProgress
}

/** Changes the record with this id (the UUID). With `from`, only while its status is one of these: false if not. */
export async function updateMigration(
  trx: Db,
  id: string,
  patch: MigrationPatch,
  now: number,
  from?: readonly MigrationStatus[],
): Promise<boolean> {
  let update = trx
    .updateTable('migrations')
    .set({
      ...(patch.status === undefined ? {} : { status: patch.status }),
      ...(patch.destHost === undefined ? {} : { dest_host: patch.destHost }),
      ...(patch.newFlavorId === undefined ? {} : { new_flavor_id: patch.newFlavorId }),
      ...(patch.progress === undefined ? {} : { progress_json: JSON.stringify(patch.progress) }),
      updated_at: now,
    })
    .where('id', '=', id)
  if (from) update = update.where('status', 'in', from)
  return (await update.executeTakeFirst()).numUpdatedRows === 1n
}

/** The server is gone: what waited for a confirmation counts as confirmed, as in Nova, what was under way as failed. */
export async function endMovesOfDeleted(trx: Db, serverId: string, now: number): Promise<void> {
  const end = (status: MigrationStatus, from: readonly MigrationStatus[]) =>
    trx
      .updateTable('migrations')
      .set({ status, updated_at: now })
      .where('server_id', '=', serverId)
      .where('type', '<>', 'live-migration')
      .where('status', 'in', from)
      .execute()
  await end('confirmed', ['finished', 'confirming'])
  await end('error', ['accepted', 'queued', 'pre-migrating', 'migrating', 'post-migrating', 'reverting'])
}

/** By the number of the API or by the UUID; undefined if there is none. */
export async function getMigration(
  db: Db,
  by: { number: number } | { id: string },
): Promise<Migration | undefined> {
  const query = db.selectFrom('migrations').selectAll()
  const row = await (
    'number' in by ? query.where('number', '=', by.number) : query.where('id', '=', by.id)
  ).executeTakeFirst()
  return row && migrationFromRow(row)
}

/** The live migrations of a server that are under way, oldest first. */
export async function liveMigrationsOf(db: Db, serverId: string): Promise<Migration[]> {
  const rows = await db
    .selectFrom('migrations')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('type', '=', 'live-migration')
    .where('status', 'in', liveMigrationStatuses)
    .orderBy('number')
    .execute()
  return rows.map(migrationFromRow)
}

/** Absent fields do not restrict. */
export interface MigrationFilter {
  serverId?: string
  status?: string
  type?: string
  sourceHost?: string
  /** As source or as destination. */
  host?: string
  projectId?: string
  userId?: string
  /** Bounds of `updatedAt`, inclusive. */
  changedSince?: number
  changedBefore?: number
}

export interface MigrationPage {
  limit?: number
  /** UUID of the migration before the page. */
  marker?: string
}

/**
 * Migrations of all kinds, newest first.
 * @throws LodgeError badRequest for a marker that is no migration
 */
export async function listMigrations(
  db: Db,
  filter: MigrationFilter = {},
  page: MigrationPage = {},
): Promise<Migration[]> {
  let query = db.selectFrom('migrations').selectAll().orderBy('number', 'desc')
  const { host } = filter
  if (filter.serverId !== undefined) query = query.where('server_id', '=', filter.serverId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.type !== undefined) query = query.where('type', '=', filter.type as Migration['type'])
  if (filter.sourceHost !== undefined) query = query.where('source_host', '=', filter.sourceHost)
  if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId)
  if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId)
  if (filter.changedSince !== undefined) query = query.where('updated_at', '>=', filter.changedSince)
  if (filter.changedBefore !== undefined) query = query.where('updated_at', '<=', filter.changedBefore)
  if (host !== undefined)
    query = query.where((eb) => eb.or([eb('source_host', '=', host), eb('dest_host', '=', host)]))
  if (page.marker !== undefined) {
    const before = await getMigration(db, { id: page.marker })
    if (!before) throw new LodgeError('badRequest', `Marker ${page.marker} could not be found.`)
    query = query.where('number', '<', before.number)
  }
  if (page.limit !== undefined) query = query.limit(page.limit)
  return (await query.execute()).map(migrationFromRow)
}

/** From which of these hosts servers were evacuated of which nobody has seen yet that they left nothing there. */
export async function hostsOfOpenEvacuations(db: Db, hosts: readonly string[]): Promise<string[]> {
  if (hosts.length === 0) return []
  const rows = await db
    .selectFrom('migrations')
    .select('source_host')
    .distinct()
    .where('type', '=', 'evacuation')
    .where('status', '=', 'done')
    .where('source_host', 'in', hosts)
    .execute()
  return rows.map((row) => row.source_host ?? '')
}

const migrationFromRow = (row: Selectable<MigrationsTable>): Migration => ({
  number: row.number,
  id: row.id,
  serverId: row.server_id,
  requestId: row.request_id,
  projectId: row.project_id,
  userId: row.user_id,
  type: row.type,
  status: row.status as MigrationStatus,
  sourceHost: row.source_host,
  destHost: row.dest_host,
  oldFlavorId: row.old_flavor_id,
  newFlavorId: row.new_flavor_id,
  progress: JSON.parse(row.progress_json) as MigrationProgress,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
