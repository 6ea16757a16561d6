import type { Config } from '../../../base/config.ts'
import { LodgeError } from '../../../base/errors.ts'
import { unlimited } from '../../../model/quota.ts'
import type { ServerGroup } from '../../../model/server-group.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { getServerGroup } from '../../../store/server-groups.ts'
import type { Db } from '../../../store/store.ts'
import type { Caller } from '../../common/route.ts'

/**
 * The server group that the hint `group` names, null without one; to be called in the transaction that adds `count`
 * servers to it.
 * @throws LodgeError badRequest when the caller's project has no such group, forbidden when it would be too large
 */
export async function groupToJoin(
  trx: Db,
  config: Config,
  hints: Record<string, unknown>,
  { caller, count }: { caller: Caller; count: number },
): Promise<ServerGroup | null> {
  const id = [hints['group']].flat()[0]
  if (typeof id !== 'string') return null
  const group = await getServerGroup(trx, id)
  if (!group || (!caller.isAdmin && group.projectId !== caller.projectId))
    throw new LodgeError('badRequest', `Instance group ${id} could not be found.`)
  const limits = await effectiveQuotas(trx, config, group.projectId, caller.userId)
  const limit = limits.server_group_members
  if (limit !== unlimited && group.members.length + count > limit)
    throw new LodgeError('forbidden', 'Quota exceeded, too many servers in group')
  return group
}
