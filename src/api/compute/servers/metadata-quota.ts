import { LodgeError } from '../../../base/errors.ts'
import { unlimited, type QuotaAmounts } from '../../../model/quota.ts'

/** @throws LodgeError forbidden when there are more items than the quota `metadata_items` */
export function checkMetadataQuota(metadata: Record<string, string>, quotas: QuotaAmounts): void {
  const limit = quotas.metadata_items
  if (limit !== unlimited && Object.keys(metadata).length > limit)
    throw new LodgeError('forbidden', `Maximum number of metadata items exceeds ${limit}`)
}
