import type { Server } from '../model/server.ts'
import { serverFromRow } from './servers.ts'
import type { Db } from './store.ts'

/** Servers without a task whose soft delete was done before then (milliseconds since 1970), `limit` of them at most. */
export async function softDeletedBefore(db: Db, before: number, limit: number): Promise<Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll('servers')
    .where('vm_state', '=', 'soft-delete')
    .where('task_state', 'is', null)
    .where('deleted_at', 'is', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('actions')
            .select('actions.id')
            .whereRef('actions.server_id', '=', 'servers.id')
            .where('actions.name', '=', 'delete')
            .where((of) => of.or([of('finished_at', 'is', null), of('finished_at', '>', before)])),
        ),
      ),
    )
    .orderBy('number')
    .limit(limit)
    .execute()
  return rows.map(serverFromRow)
}
