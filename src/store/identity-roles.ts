import type { RoleAssignment, RoleRecord, RoleTarget } from '../model/identity.ts'
import type { Db } from './store.ts'

export async function getRole(db: Db, id: string): Promise<RoleRecord | undefined> {
  return await db.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function listRoles(db: Db, filter: { name?: string } = {}): Promise<RoleRecord[]> {
  let query = db.selectFrom('roles').selectAll().orderBy('name')
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  return await query.execute()
}

/** Writes the role, new or changed. */
export async function saveRole(db: Db, role: RoleRecord): Promise<void> {
  const { id, ...values } = role
  await db
    .insertInto('roles')
    .values({ id, ...values })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute()
}

/** Removes the role and every assignment of it. */
export async function deleteRole(db: Db, id: string): Promise<void> {
  await db.deleteFrom('role_assignments').where('role_id', '=', id).execute()
  await db.deleteFrom('roles').where('id', '=', id).execute()
}

/** Gives a role. Giving it twice is giving it once. */
export async function assignRole(db: Db, { userId, target, roleId }: RoleAssignment): Promise<void> {
  await db
    .insertInto('role_assignments')
    .values({ actor_id: userId, target_type: target.type, target_id: target.id, role_id: roleId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Returns whether the role was held. */
export async function unassignRole(db: Db, { userId, target, roleId }: RoleAssignment): Promise<boolean> {
  const result = await db
    .deleteFrom('role_assignments')
    .where('actor_id', '=', userId)
    .where('target_type', '=', target.type)
    .where('target_id', '=', target.id)
    .where('role_id', '=', roleId)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** Takes every role from a user who goes, or on a target that goes. */
export async function unassignAll(db: Db, gone: { userId: string } | { target: RoleTarget }): Promise<void> {
  const query = db.deleteFrom('role_assignments')
  await (
    'userId' in gone
      ? query.where('actor_id', '=', gone.userId)
      : query.where('target_type', '=', gone.target.type).where('target_id', '=', gone.target.id)
  ).execute()
}

export interface AssignmentFilter {
  userId?: string
  target?: RoleTarget
  targetType?: RoleTarget['type']
  roleId?: string
}

export async function listAssignments(db: Db, filter: AssignmentFilter): Promise<RoleAssignment[]> {
  let query = db.selectFrom('role_assignments').selectAll()
  if (filter.userId !== undefined) query = query.where('actor_id', '=', filter.userId)
  if (filter.roleId !== undefined) query = query.where('role_id', '=', filter.roleId)
  if (filter.targetType !== undefined) query = query.where('target_type', '=', filter.targetType)
  if (filter.target !== undefined)
    query = query.where('target_type', '=', filter.target.type).where('target_id', '=', filter.target.id)
  const rows = await query.orderBy('actor_id').orderBy('target_id').orderBy('role_id').execute()
  return rows.map((row) => ({
    userId: row.actor_id,
    target: { type: row.target_type, id: row.target_id },
    roleId: row.role_id,
  }))
}

/** The roles that a user was given on a target; those they imply are not among them. */
export async function rolesOn(db: Db, userId: string, target: RoleTarget): Promise<RoleRecord[]> {
  return await db
    .selectFrom('role_assignments')
    .innerJoin('roles', 'roles.id', 'role_assignments.role_id')
    .select(['roles.id', 'roles.name', 'roles.description'])
    .where('actor_id', '=', userId)
    .where('target_type', '=', target.type)
    .where('target_id', '=', target.id)
    .orderBy('roles.name')
    .execute()
}
