import type { Config } from '../../../base/config.ts'
import { LodgeError } from '../../../base/errors.ts'
import { unlimited, type QuotaAmounts } from '../../../model/quota.ts'
import type { Server } from '../../../model/server.ts'
import type { ServerFlavor } from '../../../model/server-spec.ts'
import { serverUsage } from '../../../store/quota-usage.ts'
import { effectiveQuotas, userLimits } from '../../../store/quotas.ts'
import type { Db } from '../../../store/store.ts'

export interface ServerQuotaRequest {
  projectId: string
  userId: string
  /** How many servers are asked for, and with how many one would be content. */
  minCount: number
  maxCount: number
  /** Of one server. */
  vcpus: number
  memoryMiB: number
}

const names = ['cores', 'instances', 'ram'] as const
type Amounts = Pick<QuotaAmounts, (typeof names)[number]>

/** A limit of the project, or of the user in it, with what is used of it. */
interface Budget {
  limits: Partial<Amounts>
  used: Amounts
}

/**
 * How many of the servers may be made: from `minCount` to `maxCount`. Run it in the transaction that adds them.
 * @throws LodgeError forbidden in Nova's words, when not even `minCount` of them fit
 */
export async function allowedServerCount(db: Db, config: Config, ask: ServerQuotaRequest): Promise<number> {
  const budgets = await budgetsOf(db, config, ask)
  let allowed = ask.maxCount
  for (const budget of budgets) {
    allowed = Math.min(
      allowed,
      room(budget, 'instances', 1),
      room(budget, 'cores', ask.vcpus),
      room(budget, 'ram', ask.memoryMiB),
    )
  }
  if (allowed >= ask.minCount) return allowed
  throw exceeded(budgets, ask)
}

/**
 * Holds what a server would take beyond what it takes against the quotas. What does not grow is not held against them,
 * as in Nova.
 * @throws LodgeError forbidden
 */
export async function checkResizeQuota(
  db: Db,
  config: Config,
  server: Pick<Server, 'projectId' | 'userId' | 'flavor'>,
  flavor: ServerFlavor,
): Promise<void> {
  const ask = {
    projectId: server.projectId,
    userId: server.userId,
    minCount: 1,
    maxCount: 1,
    vcpus: Math.max(0, flavor.vcpus - server.flavor.vcpus),
    memoryMiB: Math.max(0, flavor.memoryMiB - server.flavor.memoryMiB),
  }
  const budgets = (await budgetsOf(db, config, ask)).map((budget) => ({
    ...budget,
    limits: { ...budget.limits, instances: unlimited },
  }))
  const fits = budgets.every(
    (budget) => room(budget, 'cores', ask.vcpus) >= 1 && room(budget, 'ram', ask.memoryMiB) >= 1,
  )
  if (!fits) throw exceeded(budgets, ask)
}

/** Holds a server that has not counted against the quotas: it was deleted softly. @throws LodgeError forbidden */
export async function checkRestoreQuota(
  db: Db,
  config: Config,
  { projectId, userId, flavor }: Pick<Server, 'projectId' | 'userId' | 'flavor'>,
): Promise<void> {
  const { vcpus, memoryMiB } = flavor
  await allowedServerCount(db, config, { projectId, userId, minCount: 1, maxCount: 1, vcpus, memoryMiB })
}

/** The user's budget only where something was set for the user. Nothing is counted where nothing is limited. */
async function budgetsOf(db: Db, config: Config, ask: ServerQuotaRequest): Promise<Budget[]> {
  const { projectId, userId } = ask
  const budgets: Budget[] = []
  const project = await effectiveQuotas(db, config, projectId)
  if (limitsSomething(project)) budgets.push({ limits: project, used: await serverUsage(db, projectId) })
  const user = await userLimits(db, projectId, userId)
  if (limitsSomething(user)) budgets.push({ limits: user, used: await serverUsage(db, projectId, userId) })
  return budgets
}

const limitsSomething = (limits: Partial<Amounts>): boolean =>
  names.some((name) => (limits[name] ?? unlimited) !== unlimited)

/** How many times `each` still fits. */
function room({ limits, used }: Budget, name: keyof Amounts, each: number): number {
  const limit = limits[name] ?? unlimited
  if (limit === unlimited || each === 0) return Infinity
  return Math.floor(Math.max(limit - used[name], 0) / each)
}

function exceeded(budgets: Budget[], ask: ServerQuotaRequest): LodgeError {
  const requested: Amounts = {
    instances: ask.minCount,
    cores: ask.minCount * ask.vcpus,
    ram: ask.minCount * ask.memoryMiB,
  }
  for (const { limits, used } of budgets) {
    const over = names.filter((name) => {
      const limit = limits[name] ?? unlimited
      return limit !== unlimited && used[name] + requested[name] > limit
    })
    if (over.length === 0) continue
    const list = (amounts: Partial<Amounts>) => over.map((name) => amounts[name]).join(', ')
    const what = over.join(', ')
    return new LodgeError(
      'forbidden',
      `Quota exceeded for ${what}: Requested ${list(requested)}, but already used ${list(used)} of ${list(limits)} ${what}`,
    )
  }
  return new LodgeError('internal', 'No quota is exceeded, yet no server is allowed')
}
