import {
  VIR_DOMAIN_JOB_COMPLETED,
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN,
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
  VIR_DOMAIN_JOB_STATS_COMPLETED,
  VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED,
} from '../../libvirt/constants.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import type { MigrationOutcome } from '../../model/migration-forecast.ts'

/** As the source has told this host, where the domain is not any more. @throws LodgeError notFound for no such domain */
export async function completedMigration(
  libvirt: Libvirt,
  uuid: string,
): Promise<MigrationOutcome | undefined> {
  const flags = VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
  const { type, params } = await libvirt.call('domainGetJobStats', { uuid, flags })
  if (type !== VIR_DOMAIN_JOB_COMPLETED || !migrations.has(Number(params['operation']))) return undefined
  const orNull = (name: string): number | null => (params[name] === undefined ? null : Number(params[name]))
  return {
    totalMs: orNull('time_elapsed') ?? 0,
    downtimeMs: orNull('downtime'),
    memoryBytes: orNull('memory_processed') ?? 0,
    diskBytes: orNull('disk_processed') ?? 0,
    bytesPerSecond: orNull('memory_bps'),
  }
}

const migrations: ReadonlySet<number> = new Set([
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN,
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
])
