import type { QuotaAmounts } from '../../../model/quota.ts'
import { quotaUsage } from '../../../store/quota-usage.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { denied } from '../../common/policy.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'

export const limitRoutes = ({ store, config }: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/limits',
    policy: 'limits',
    role: 'any',
    success: 200,
    query: querySchemas({ tenant_id: queryPart.text }, 75),
    summary: 'Shows what the project may use and uses',
    handler: async ({ caller, version, query }) => {
      const asked = queryValue({ query }, 'tenant_id')
      if (asked !== undefined && asked !== caller.projectId && !caller.isAdmin)
        throw denied('limits:other_project')
      const projectId = asked ?? caller.projectId ?? ''
      const limits = await effectiveQuotas(store.db, config, projectId)
      const usage = await quotaUsage(store.db, projectId)
      return { body: { limits: { rate: [], absolute: absoluteLimits(limits, usage, version) } } }
    },
  },
]

/** The network's limits went with 2.36, that of image metadata with 2.39, those of injected files with 2.57. */
export function absoluteLimits(
  limits: QuotaAmounts,
  usage: QuotaAmounts,
  version: number,
): Record<string, number> {
  return {
    maxTotalInstances: limits.instances,
    maxTotalCores: limits.cores,
    maxTotalRAMSize: limits.ram,
    maxTotalKeypairs: limits.key_pairs,
    maxServerMeta: limits.metadata_items,
    maxServerGroups: limits.server_groups,
    maxServerGroupMembers: limits.server_group_members,
    totalInstancesUsed: usage.instances,
    totalCoresUsed: usage.cores,
    totalRAMUsed: usage.ram,
    totalServerGroupsUsed: usage.server_groups,
    ...(version < 57 && {
      maxPersonality: limits.injected_files,
      maxPersonalitySize: limits.injected_file_content_bytes,
    }),
    ...(version < 39 && { maxImageMeta: limits.metadata_items }),
    ...(version < 36 && {
      maxTotalFloatingIps: limits.floating_ips,
      maxSecurityGroups: limits.security_groups,
      maxSecurityGroupRules: limits.security_group_rules,
      totalFloatingIpsUsed: usage.floating_ips,
      totalSecurityGroupsUsed: usage.security_groups,
    }),
  }
}
