import { LodgeError } from '../base/errors.ts'
import type { Db } from './store.ts'

/** Ids of the projects that may use a private flavor, in order. */
export async function listFlavorAccess(db: Db, flavorId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('flavor_access')
    .select('project_id')
    .where('flavor_id', '=', flavorId)
    .orderBy('project_id')
    .execute()
  return rows.map((row) => row.project_id)
}

/** Gives a project access. Throws `conflict` if it has it. Run it in a transaction. */
export async function addFlavorAccess(db: Db, flavorId: string, projectId: string): Promise<void> {
  if (await hasAccess(db, flavorId, projectId))
    throw new LodgeError(
      'conflict',
      `Flavor access already exists for flavor ${flavorId} and project ${projectId} combination.`,
    )
  await db.insertInto('flavor_access').values({ flavor_id: flavorId, project_id: projectId }).execute()
}

/** Withdraws a project's access. Throws `notFound` if it has none. */
export async function removeFlavorAccess(db: Db, flavorId: string, projectId: string): Promise<void> {
  const result = await db
    .deleteFrom('flavor_access')
    .where('flavor_id', '=', flavorId)
    .where('project_id', '=', projectId)
    .executeTakeFirst()
  if (result.numDeletedRows === 0n)
    throw new LodgeError('notFound', `Flavor access not found for ${flavorId} / ${projectId} combination.`)
}

async function hasAccess(db: Db, flavorId: string, projectId: string): Promise<boolean> {
  const row = await db
    .selectFrom('flavor_access')
    .select('flavor_id')
    .where('flavor_id', '=', flavorId)
    .where('project_id', '=', projectId)
    .executeTakeFirst()
  return row !== undefined
}
