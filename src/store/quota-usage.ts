import { quotaResources, type QuotaAmounts } from '../model/quota.ts'
import { lockName } from './row-locks.ts'
import { countServerGroups } from './server-groups.ts'
import type { Db } from './store.ts'

/**
 * What a project (or one user in it) uses of each resource. Servers and their groups are counted; the rest is
 * 0, as in Nova, where key pairs belong to users whatever their project and are counted when one is made.
 */
export async function quotaUsage(db: Db, projectId: string, userId?: string): Promise<QuotaAmounts> {
  const none = Object.fromEntries(quotaResources.map((name) => [name, 0])) as QuotaAmounts
  const server_groups = await countServerGroups(db, projectId, userId)
  return { ...none, server_groups, ...(await serverUsage(db, projectId, userId)) }
}

/**
 * What a project's servers (or one user's in it) take; `quota_usage` has it ready. Deleted and soft-deleted ones do not
 * count; of one that is being resized the larger of both sizes does, from the request on. Read in a transaction,
 * nobody else reads this project's until that ends, so that what is decided on it holds.
 */
export async function serverUsage(
  db: Db,
  projectId: string,
  userId?: string,
): Promise<Pick<QuotaAmounts, 'instances' | 'cores' | 'ram'>> {
  await lockName(db, 'quota', projectId)
  let query = db
    .selectFrom('quota_usage')
    .select(['instances', 'cores', 'ram'])
    .where('project_id', '=', projectId)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const usage = { instances: 0, cores: 0, ram: 0 }
  for (const { instances, cores, ram } of await query.execute()) {
    usage.instances += instances
    usage.cores += cores
    usage.ram += ram
  }
  return usage
}
