import type { Config } from '../base/config.ts'
import { isQuotaResource, quotaResources, unlimited, type QuotaAmounts } from '../model/quota.ts'
import type { Db } from './store.ts'

/** Limits that somebody set, without those that follow from elsewhere. */
export type SetLimits = Partial<QuotaAmounts>

/** The class whose limits hold for every project that has none of its own. */
export const defaultQuotaClass = 'default'

/**
 * The limits that hold: the user's (when a user is given), else the project's, else those of the class `default`,
 * else the configured ones. -1 is no limit.
 */
export async function effectiveQuotas(
  db: Db,
  config: Config,
  projectId: string,
  userId?: string,
): Promise<QuotaAmounts> {
  return {
    ...(await defaultQuotas(db, config)),
    ...(await projectLimits(db, projectId)),
    ...(userId === undefined ? {} : await userLimits(db, projectId, userId)),
  }
}

/** The limits of a project for which nothing was set. */
export async function defaultQuotas(db: Db, config: Config): Promise<QuotaAmounts> {
  return { ...configuredQuotas(config), ...(await classLimits(db, defaultQuotaClass)) }
}

/** The limits of a quota class; only the class `default` has an effect. */
export async function quotasOfClass(db: Db, config: Config, className: string): Promise<QuotaAmounts> {
  return { ...configuredQuotas(config), ...(await classLimits(db, className)) }
}

/** What was set for the project as a whole. */
export const projectLimits = (db: Db, projectId: string): Promise<SetLimits> => userLimits(db, projectId, '')

/** What was set for one user in the project. */
export async function userLimits(db: Db, projectId: string, userId: string): Promise<SetLimits> {
  const rows = await db
    .selectFrom('quotas')
    .select(['resource', 'hard_limit'])
    .where('project_id', '=', projectId)
    .where('user_id', '=', userId)
    .execute()
  return limitsOf(rows)
}

/** What the limits of a project's single users add up to; unlimited ones count nothing. */
export async function sumOfUserLimits(db: Db, projectId: string): Promise<SetLimits> {
  const rows = await db
    .selectFrom('quotas')
    .select((eb) => ['resource', eb.fn.sum<number | bigint | string>('hard_limit').as('hard_limit')])
    .where('project_id', '=', projectId)
    .where('user_id', '!=', '')
    .where('hard_limit', '>', 0)
    .groupBy('resource')
    .execute()
  return limitsOf(rows.map((row) => ({ resource: row.resource, hard_limit: Number(row.hard_limit) })))
}

/** Sets limits of a project, or of one user in it. Run it in a transaction. */
export async function setLimits(
  db: Db,
  projectId: string,
  userId: string | undefined,
  limits: SetLimits,
): Promise<void> {
  const user_id = userId ?? ''
  for (const [resource, hard_limit] of Object.entries(limits)) {
    await db
      .insertInto('quotas')
      .values({ project_id: projectId, user_id, resource, hard_limit })
      .onConflict((oc) => oc.columns(['project_id', 'user_id', 'resource']).doUpdateSet({ hard_limit }))
      .execute()
  }
}

/** Takes back what was set for a user, or for the project and all its users. */
export async function deleteLimits(db: Db, projectId: string, userId?: string): Promise<void> {
  let query = db.deleteFrom('quotas').where('project_id', '=', projectId)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  await query.execute()
}

/** Sets limits of a quota class. Run it in a transaction. */
export async function setClassLimits(db: Db, className: string, limits: SetLimits): Promise<void> {
  for (const [resource, hard_limit] of Object.entries(limits)) {
    await db
      .insertInto('quota_classes')
      .values({ class_name: className, resource, hard_limit })
      .onConflict((oc) => oc.columns(['class_name', 'resource']).doUpdateSet({ hard_limit }))
      .execute()
  }
}

async function classLimits(db: Db, className: string): Promise<SetLimits> {
  const rows = await db
    .selectFrom('quota_classes')
    .select(['resource', 'hard_limit'])
    .where('class_name', '=', className)
    .execute()
  return limitsOf(rows)
}

function limitsOf(rows: { resource: string; hard_limit: number }[]): SetLimits {
  const limits: SetLimits = {}
  for (const { resource, hard_limit } of rows) if (isQuotaResource(resource)) limits[resource] = hard_limit
  return limits
}

/** Nova's defaults for what Lodge has no setting for; the network resources were never limited since Neutron. */
function configuredQuotas({ quota }: Config): QuotaAmounts {
  const none = Object.fromEntries(quotaResources.map((name) => [name, unlimited])) as QuotaAmounts
  return {
    ...none,
    instances: quota.instances,
    cores: quota.cores,
    ram: quota.ramMiB,
    metadata_items: quota.metadataItems,
    injected_files: 5,
    injected_file_content_bytes: 10_240,
    injected_file_path_bytes: 255,
    key_pairs: quota.keyPairs,
    server_groups: quota.serverGroups,
    server_group_members: quota.serverGroupMembers,
  }
}
