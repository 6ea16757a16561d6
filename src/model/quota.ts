/**
 * Resources that a quota can limit, with the names of Nova's API. `ram` is in MiB. The first ten bind; the network
 * ones are shown to old clients only, and never limit anything.
 */
export const quotaResources = [
  'instances',
  'cores',
  'ram',
  'metadata_items',
  'injected_files',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
  'key_pairs',
  'server_groups',
  'server_group_members',
  'fixed_ips',
  'floating_ips',
  'security_groups',
  'security_group_rules',
] as const

export type QuotaResource = (typeof quotaResources)[number]

/** A number for each resource: a limit, where -1 is no limit, or what is in use. */
export type QuotaAmounts = Record<QuotaResource, number>

/** The value of a limit that does not limit. */
export const unlimited = -1

export const isQuotaResource = (name: string): name is QuotaResource =>
  (quotaResources as readonly string[]).includes(name)
