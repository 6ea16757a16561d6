import type { Selectable } from 'kysely'
import type { UserRecord } from '../model/identity.ts'
import type { NamedFilter } from './identity-projects.ts'
import type { UsersTable } from './schema.ts'
import type { Db } from './store.ts'

export async function getUser(db: Db, id: string): Promise<UserRecord | undefined> {
  const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

export async function findUserByName(
  db: Db,
  name: string,
  domainId: string,
): Promise<UserRecord | undefined> {
  const [user] = await listUsers(db, { name, domainId })
  return user
}

export async function listUsers(db: Db, filter: NamedFilter = {}): Promise<UserRecord[]> {
  let query = db.selectFrom('users').selectAll().orderBy('name').orderBy('id')
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', filter.enabled ? 1 : 0)
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids.length > 0 ? filter.ids : [''])
  return (await query.execute()).map(recordOf)
}

export async function passwordHashOf(db: Db, userId: string): Promise<string | undefined> {
  const row = await db.selectFrom('users').select('password_hash').where('id', '=', userId).executeTakeFirst()
  return row?.password_hash
}

export async function insertUser(db: Db, user: UserRecord, passwordHash: string): Promise<void> {
  await db
    .insertInto('users')
    .values({ id: user.id, password_hash: passwordHash, ...columnsOf(user) })
    .execute()
}

/** Writes the user's record, and the password's hash where one is given. */
export async function updateUser(db: Db, user: UserRecord, passwordHash?: string): Promise<void> {
  await db
    .updateTable('users')
    .set({ ...columnsOf(user), ...(passwordHash === undefined ? {} : { password_hash: passwordHash }) })
    .where('id', '=', user.id)
    .execute()
}

export async function deleteUser(db: Db, id: string): Promise<void> {
  await db.deleteFrom('users').where('id', '=', id).execute()
}

const columnsOf = (user: UserRecord) =>
  ({
    name: user.name,
    domain_id: user.domainId,
    enabled: user.enabled ? 1 : 0,
    email: user.email,
    description: user.description,
    default_project_id: user.defaultProjectId,
    extra_json: JSON.stringify(user.extra),
  }) as const

const recordOf = (row: Selectable<UsersTable>): UserRecord => ({
  id: row.id,
  name: row.name,
  domainId: row.domain_id,
  enabled: row.enabled === 1,
  email: row.email,
  description: row.description,
  defaultProjectId: row.default_project_id,
  extra: JSON.parse(row.extra_json) as Record<string, unknown>,
})
