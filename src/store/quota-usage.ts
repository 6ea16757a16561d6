import { quotaResources, type QuotaAmounts } from '../model/quota.ts'
import type { ServerFlavor } from '../model/server-spec.ts'
import { lockName } from './row-locks.ts'
import { countServerGroups } from './server-groups.ts'
import type { Db } from './store.ts'

/**
 * What a project (or one user in it) uses of each resource, counted now. Servers and their groups are counted; the rest is
 * 0, as in Nova, where key pairs belong to users whatever their project and are counted when one is made.
 */
export async function quotaUsage(db: Db, projectId: string, userId?: string): Promise<QuotaAmounts> {
  const none = Object.fromEntries(quotaResources.map((name) => [name, 0])) as QuotaAmounts
  const server_groups = await countServerGroups(db, projectId, userId)
  return { ...none, server_groups, ...(await serverUsage(db, projectId, userId)) }
}

/**
 * What a project's servers (or one user's in it) take. Deleted and soft-deleted ones do not count. Counted in a
 * transaction, nobody else counts this project's until that ends, so that what is decided on it holds.
 */
export async function serverUsage(
  db: Db,
  projectId: string,
  userId?: string,
): Promise<Pick<QuotaAmounts, 'instances' | 'cores' | 'ram'>> {
  await lockName(db, 'quota', projectId)
  let query = db
    .selectFrom('servers')
    .select((eb) => ['flavor_json', eb.fn.countAll<number | bigint | string>().as('count')])
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .where('vm_state', '!=', 'soft-delete')
    .groupBy('flavor_json')
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const usage = { instances: 0, cores: 0, ram: 0 }
  // Servers of one flavor hold the same text, so there are few groups however many servers there are.
  for (const row of await query.execute()) {
    const flavor = JSON.parse(row.flavor_json) as ServerFlavor
    const count = Number(row.count)
    usage.instances += count
    usage.cores += count * flavor.vcpus
    usage.ram += count * flavor.memoryMiB
  }
  return usage
}
