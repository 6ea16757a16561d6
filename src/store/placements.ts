import { sql, type Selectable } from 'kysely'
import type { Placement, PlacementReasons } from '../model/placement.ts'
import type { PlacementsTable } from './schema.ts'
import type { Db } from './store.ts'

/** Keeps a decision of the scheduler with its reasons. */
export async function insertPlacement(
  trx: Db,
  placement: Omit<Placement, 'number' | 'createdAt'> & { now: number },
): Promise<void> {
  const { requestId, serverId, chosenHost, reasons, now } = placement
  await sql`/* often */
    insert into placements (request_id, server_id, chosen_host, reasons_json, created_at)
    values (${requestId}, ${serverId}, ${chosenHost}, ${JSON.stringify(reasons)}, ${now})`.execute(trx)
}

/** The decisions made for a server, oldest first. */
export async function listPlacements(db: Db, serverId: string): Promise<Placement[]> {
  const rows = await db
    .selectFrom('placements')
    .selectAll()
    .where('server_id', '=', serverId)
    .orderBy('number')
    .execute()
  return rows.map(placementFromRow)
}

/** The decisions made for one request (a create of several servers has several), oldest first. */
export async function listPlacementsOfRequest(db: Db, requestId: string): Promise<Placement[]> {
  const rows = await db
    .selectFrom('placements')
    .selectAll()
    .where('request_id', '=', requestId)
    .orderBy('number')
    .limit(mostOfRequest)
    .execute()
  return rows.map(placementFromRow)
}

/** A request creates so many servers at most. */
const mostOfRequest = 1000

function placementFromRow(row: Selectable<PlacementsTable>): Placement {
  return {
    number: row.number,
    requestId: row.request_id,
    serverId: row.server_id,
    chosenHost: row.chosen_host,
    reasons: JSON.parse(row.reasons_json) as PlacementReasons,
    createdAt: row.created_at,
  }
}
