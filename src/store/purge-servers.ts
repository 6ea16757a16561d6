import type { Db } from './store.ts'

/**
 * Forgets servers that were deleted before that time, oldest first, with all that was kept of them: actions and
 * steps, faults, placements. `limit` servers at most; returns how many.
 */
export async function purgeDeletedServers(
  trx: Db,
  { before, limit }: { before: number; limit: number },
): Promise<number> {
  const rows = await trx
    .selectFrom('servers')
    .select('id')
    .where('deleted_at', '<', before)
    .orderBy('deleted_at')
    .limit(limit)
    .execute()
  if (rows.length === 0) return 0
  const ids = rows.map(({ id }) => id)
  await trx
    .deleteFrom('action_steps')
    .where('action_id', 'in', (actions) =>
      actions.selectFrom('actions').select('id').where('server_id', 'in', ids),
    )
    .execute()
  for (const table of ['actions', 'server_faults', 'placements', 'server_tags'] as const)
    await trx.deleteFrom(table).where('server_id', 'in', ids).execute()
  await trx.deleteFrom('servers').where('id', 'in', ids).execute()
  return ids.length
}
