import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import type { ServerGroup } from '../model/server-group.ts'
import type { ServerGroupsTable } from './schema.ts'
import type { Db } from './store.ts'

/** Which part of a list is wanted. */
export interface GroupPage {
  limit: number
  offset: number
}

/** Groups in order of their making; of one project, or of all. Members are the servers that are not deleted. */
export async function listServerGroups(
  db: Db,
  projectId: string | undefined,
  page: GroupPage,
): Promise<ServerGroup[]> {
  let query = db.selectFrom('server_groups').selectAll()
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  const rows = await query.orderBy('created_at').orderBy('id').limit(page.limit).offset(page.offset).execute()
  const members = await membersOf(
    db,
    rows.map(({ id }) => id),
  )
  return rows.map((row) => groupFromRow(row, members.get(row.id) ?? []))
}

/** One group, or undefined. */
export async function getServerGroup(db: Db, id: string): Promise<ServerGroup | undefined> {
  const row = await db.selectFrom('server_groups').selectAll().where('id', '=', id).executeTakeFirst()
  return row && groupFromRow(row, (await membersOf(db, [id])).get(id) ?? [])
}

/** Makes a group. */
export async function insertServerGroup(trx: Db, group: Omit<ServerGroup, 'members'>): Promise<void> {
  await trx
    .insertInto('server_groups')
    .values({
      id: group.id,
      project_id: group.projectId,
      user_id: group.userId,
      name: group.name,
      policy: group.policy,
      rules_json: JSON.stringify(
        group.maxServersPerHost === null ? {} : { max_server_per_host: group.maxServersPerHost },
      ),
      created_at: group.createdAt,
    })
    .execute()
}

/** Forgets a group; its servers go on without it. */
export async function deleteServerGroup(trx: Db, id: string): Promise<void> {
  await trx.deleteFrom('server_groups').where('id', '=', id).execute()
}

/** How many groups a project has, or one user in it. */
export async function countServerGroups(db: Db, projectId: string, userId?: string): Promise<number> {
  let query = db
    .selectFrom('server_groups')
    .select((of) => of.fn.countAll<number | bigint | string>().as('count'))
    .where('project_id', '=', projectId)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  return Number((await query.executeTakeFirstOrThrow()).count)
}

/** Puts a new server into a group. */
export async function addGroupMember(trx: Db, groupId: string, serverId: string): Promise<void> {
  await trx.insertInto('server_group_members').values({ group_id: groupId, server_id: serverId }).execute()
}

/** Takes a server out of whatever group it is in. */
export async function leaveGroups(trx: Db, serverId: string): Promise<void> {
  await trx.deleteFrom('server_group_members').where('server_id', '=', serverId).execute()
}

/** The group of each of these servers that is in one. */
export async function groupsOfServers(db: Db, serverIds: readonly string[]): Promise<Map<string, string>> {
  if (serverIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('server_group_members')
    .selectAll()
    .where('server_id', 'in', serverIds)
    .execute()
  return new Map(rows.map((row) => [row.server_id, row.group_id]))
}

/** A server's group as placing it must know it: what is asked, and where the others are. */
export interface GroupSpread {
  policy: ServerGroup['policy']
  maxServersPerHost: number | null
  /** How many other members hold a claim on each host. A server that is moving holds two. */
  servers: Map<string, number>
}

/**
 * The group that a server is in, undefined for none, locked until the transaction ends: of two members that are
 * placed at the same time, the second sees where the first one went. That is what Nova's late check on the host is
 * for.
 */
export async function lockGroupSpread(trx: Db, serverId: string): Promise<GroupSpread | undefined> {
  const member = await trx
    .selectFrom('server_group_members')
    .select('group_id')
    .where('server_id', '=', serverId)
    .executeTakeFirst()
  if (!member) return undefined
  const group = await trx
    .updateTable('server_groups')
    .set({ name: sql`name` })
    .where('id', '=', member.group_id)
    .returning(['policy', 'rules_json'])
    .executeTakeFirst()
  if (!group) return undefined
  const rows = await trx
    .selectFrom('server_group_members')
    .innerJoin('allocations', 'allocations.server_id', 'server_group_members.server_id')
    .select(['allocations.host', 'allocations.server_id'])
    .where('group_id', '=', member.group_id)
    .where('allocations.server_id', '!=', serverId)
    .distinct()
    .execute()
  const servers = new Map<string, number>()
  for (const { host } of rows) servers.set(host, (servers.get(host) ?? 0) + 1)
  return { policy: group.policy, maxServersPerHost: limitOf(group.rules_json), servers }
}

async function membersOf(db: Db, groupIds: readonly string[]): Promise<Map<string, string[]>> {
  if (groupIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('server_group_members')
    .innerJoin('servers', 'servers.id', 'server_group_members.server_id')
    .select(['group_id', 'server_id'])
    .where('group_id', 'in', groupIds)
    .where('servers.deleted_at', 'is', null)
    .orderBy('servers.number')
    .execute()
  const grouped = Map.groupBy(rows, ({ group_id }) => group_id)
  return new Map([...grouped].map(([id, members]) => [id, members.map(({ server_id }) => server_id)]))
}

const limitOf = (rulesJson: string): number | null =>
  (JSON.parse(rulesJson) as { max_server_per_host?: number }).max_server_per_host ?? null

const groupFromRow = (row: Selectable<ServerGroupsTable>, members: string[]): ServerGroup => ({
  id: row.id,
  projectId: row.project_id,
  userId: row.user_id,
  name: row.name,
  policy: row.policy,
  maxServersPerHost: limitOf(row.rules_json),
  members,
  createdAt: row.created_at,
})
