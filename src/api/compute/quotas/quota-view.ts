import { quotaResources, type QuotaAmounts, type QuotaResource } from '../../../model/quota.ts'

const networkResources: QuotaResource[] = [
  'fixed_ips',
  'floating_ips',
  'security_groups',
  'security_group_rules',
]
const fileResources: QuotaResource[] = [
  'injected_files',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
]
const groupResources: QuotaResource[] = ['server_groups', 'server_group_members']

/** The resources of quota sets: those of the network went with 2.36, those of injected files with 2.57. */
export const resourcesOfSets = (version: number): QuotaResource[] =>
  quotaResources.filter(
    (name) =>
      !(version >= 36 && networkResources.includes(name)) && !(version >= 57 && fileResources.includes(name)),
  )

/** The resources that a quota class shows; server groups came, and those of the network went, with 2.50. */
export const resourcesOfClasses = (version: number): QuotaResource[] =>
  quotaResources.filter(
    (name) =>
      !(version < 50 && groupResources.includes(name)) &&
      !(version >= 50 && networkResources.includes(name)) &&
      !(version >= 57 && fileResources.includes(name)),
  )

/** The resources that may be set for a class: unlike what is shown, server groups have always been among them. */
export const settableOfClasses = (version: number): QuotaResource[] =>
  version < 50 ? [...quotaResources] : resourcesOfClasses(version)

export const limitsView = (limits: QuotaAmounts, resources: QuotaResource[]): Record<string, number> =>
  Object.fromEntries(resources.map((name) => [name, limits[name]]))

/** Limits with what is used of them. Nothing is reserved ahead, so `reserved` is always 0. */
export const usageView = (limits: QuotaAmounts, usage: QuotaAmounts, resources: QuotaResource[]) =>
  Object.fromEntries(
    resources.map((name) => [name, { limit: limits[name], in_use: usage[name], reserved: 0 }]),
  )
