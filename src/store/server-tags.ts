import type { Db } from './store.ts'

/** Tags of each of these servers, in alphabetical order; servers without tags are left out. */
export async function tagsOfServers(db: Db, serverIds: readonly string[]): Promise<Map<string, string[]>> {
  const tags = new Map<string, string[]>()
  if (serverIds.length === 0) return tags
  const rows = await db
    .selectFrom('server_tags')
    .select(['server_id', 'tag'])
    .where('server_id', 'in', serverIds)
    .orderBy('tag')
    .execute()
  for (const { server_id, tag } of rows) {
    const known = tags.get(server_id)
    if (known) known.push(tag)
    else tags.set(server_id, [tag])
  }
  return tags
}

/** A server's tags in alphabetical order. */
export async function getServerTags(db: Db, serverId: string): Promise<string[]> {
  return (await tagsOfServers(db, [serverId])).get(serverId) ?? []
}

/** Adds a tag; false if the server has it already. */
export async function addServerTag(db: Db, serverId: string, tag: string): Promise<boolean> {
  const result = await db
    .insertInto('server_tags')
    .values({ server_id: serverId, tag })
    .onConflict((conflict) => conflict.columns(['server_id', 'tag']).doNothing())
    .executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** Replaces all tags of a server. Run it in a transaction. */
export async function setServerTags(db: Db, serverId: string, tags: Iterable<string>): Promise<void> {
  await db.deleteFrom('server_tags').where('server_id', '=', serverId).execute()
  const rows = [...new Set(tags)].map((tag) => ({ server_id: serverId, tag }))
  if (rows.length > 0) await db.insertInto('server_tags').values(rows).execute()
}

/** Removes a tag; false if the server has it not. */
export async function removeServerTag(db: Db, serverId: string, tag: string): Promise<boolean> {
  const result = await db
    .deleteFrom('server_tags')
    .where('server_id', '=', serverId)
    .where('tag', '=', tag)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}
