import { LodgeError } from '../base/errors.ts'
import type { ServerFlavor } from '../model/server-spec.ts'
import type { Db } from './store.ts'

/** A server that ran in a period, as accounts need it. */
export interface UsedServer {
  id: string
  name: string
  projectId: string
  vmState: string
  flavor: ServerFlavor
  launchedAt: number
  terminatedAt: number | null
}

export interface UsageQuery {
  /** Milliseconds since 1970: the servers that were up at some time between the two. */
  from: number
  to: number
  /** Absent: of all projects. */
  projectId?: string
  /** Id of the server before the page. */
  marker?: string
  limit: number
}

/**
 * Servers that ran in a period, deleted ones included, by project and id. Throws `badRequest` if the marker is no
 * server.
 */
export async function listUsedServers(db: Db, query: UsageQuery): Promise<UsedServer[]> {
  let select = db
    .selectFrom('servers')
    .select(['id', 'name', 'project_id', 'vm_state', 'flavor_json', 'launched_at', 'terminated_at'])
    .where('launched_at', '<', query.to)
    .where((eb) => eb.or([eb('terminated_at', 'is', null), eb('terminated_at', '>', query.from)]))
  if (query.projectId !== undefined) select = select.where('project_id', '=', query.projectId)
  if (query.marker !== undefined) {
    const marker = await db
      .selectFrom('servers')
      .select(['id', 'project_id'])
      .where('id', '=', query.marker)
      .executeTakeFirst()
    if (!marker) throw new LodgeError('badRequest', `marker [${query.marker}] not found`)
    const { id, project_id } = marker
    select = select.where((eb) =>
      eb.or([
        eb('project_id', '>', project_id),
        eb.and([eb('project_id', '=', project_id), eb('id', '>', id)]),
      ]),
    )
  }
  const rows = await select.orderBy('project_id').orderBy('id').limit(query.limit).execute()
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    projectId: row.project_id,
    vmState: row.vm_state,
    flavor: JSON.parse(row.flavor_json) as ServerFlavor,
    launchedAt: row.launched_at ?? 0,
    terminatedAt: row.terminated_at,
  }))
}
