import { stat } from 'node:fs/promises'
import type { MigrationMeasurement } from '../model/migration-forecast.ts'
import { isActive } from './domain-watch.ts'
import { needDomain, refuse } from './server/domain-power.ts'
import type { VerbContext } from './server/verb.ts'

/** For how long the guest is watched. Longer would find more memory written, each part of it once. */
const watchSeconds = 1

/**
 * What a forecast of the server's live migration is made of. Takes a little more than a second.
 * @throws LodgeError notFound or conflict without a guest that runs, notImplemented where nothing can be measured
 */
export async function measureMigration(
  context: VerbContext,
  serverId: string,
): Promise<MigrationMeasurement> {
  const domain = await needDomain(context, serverId)
  if (!isActive(domain.powerState)) refuse('move', domain)
  const [writes, diskBytes] = await Promise.all([
    context.hypervisor.watchWrites(serverId, watchSeconds),
    ownDiskBytes(context, serverId),
  ])
  const { migration } = context.settings
  const bytes = writes.memoryBytes + diskBytes
  return {
    memoryBytes: writes.residentBytes,
    dirtyBytesPerSecond: writes.dirtyBytesPerSecond,
    diskBytes,
    diskWriteBytesPerSecond: writes.diskBytesPerSecond,
    limitBytesPerSecond: migration.bandwidthMiBps > 0 ? migration.bandwidthMiBps * 2 ** 20 : null,
    limits: {
      maxDowntimeMs: migration.downtimeMs,
      autoConverge: migration.autoConverge,
      postCopy: migration.postCopy,
      timeoutMs: migration.timeoutSeconds > 0 ? migration.timeoutSeconds * 1000 * sizeFactor(bytes) : null,
      timeoutAction: migration.timeoutAction,
    },
  }
}

/** What stands on an image is not sent with it: the destination fetches that itself. */
async function ownDiskBytes({ disks, hypervisor }: VerbContext, serverId: string): Promise<number> {
  const described = (await disks.describe(serverId))?.disks ?? []
  const sizes = described.map(async ({ file, sizeBytes }) =>
    // A simulated disk is no file, and full.
    hypervisor.kind === 'simulated' ? sizeBytes : (await stat(file)).blocks * blockBytes,
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** Of `stat`, whatever the file system's own are. */
const blockBytes = 512

/** What the timeout is multiplied with while the migration is followed, too. */
const sizeFactor = (bytes: number): number => Math.max(2, Math.ceil(bytes / 2 ** 30))
