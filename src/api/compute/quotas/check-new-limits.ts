import type { Config } from '../../../base/config.ts'
import { LodgeError } from '../../../base/errors.ts'
import { unlimited, type QuotaResource } from '../../../model/quota.ts'
import { quotaUsage } from '../../../store/quota-usage.ts'
import { effectiveQuotas, sumOfUserLimits, userLimits, type SetLimits } from '../../../store/quotas.ts'
import type { Db } from '../../../store/store.ts'

/**
 * Refuses limits below what is in use. A project's limit must cover what its users were given, and a user's must fit
 * into what the project has left.
 * @throws LodgeError badRequest in Nova's words
 */
export async function checkNewLimits(
  db: Db,
  config: Config,
  projectId: string,
  userId: string | undefined,
  limits: SetLimits,
): Promise<void> {
  const usage = await quotaUsage(db, projectId, userId)
  const given = await sumOfUserLimits(db, projectId)
  const project = await effectiveQuotas(db, config, projectId)
  const own = userId === undefined ? {} : await userLimits(db, projectId, userId)
  for (const [name, limit] of Object.entries(limits) as [QuotaResource, number][]) {
    const givenToUsers = given[name] ?? 0
    if (userId === undefined) {
      atLeast(name, limit, Math.max(usage[name], givenToUsers))
      continue
    }
    atLeast(name, limit, usage[name])
    const toOthers = givenToUsers - Math.max(own[name] ?? 0, 0)
    if (project[name] !== unlimited) atMost(name, limit, Math.max(project[name] - toOthers, 0))
  }
}

function atLeast(name: QuotaResource, limit: number, least: number): void {
  if (limit !== unlimited && limit < least)
    throw new LodgeError(
      'badRequest',
      `Quota limit ${limit} for ${name} must be greater than or equal to already used and reserved ${least}.`,
    )
}

function atMost(name: QuotaResource, limit: number, most: number): void {
  if (limit === unlimited || limit > most)
    throw new LodgeError(
      'badRequest',
      `Quota limit ${limit} for ${name} must be less than or equal to ${most}.`,
    )
}
