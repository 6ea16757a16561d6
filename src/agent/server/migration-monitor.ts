import { messageOf } from '../../base/errors.ts'
import type { Command } from '../../contract/command.ts'
import type { DomainJob } from '../../hypervisor/hypervisor.ts'
import { beginPostCopy, forceComplete, type RunningMigration } from './migrate-force-complete.ts'
import { isKind } from './domain-power.ts'
import { migrationJob } from './migration-parts.ts'
import { reportMigration } from './report-migration.ts'
import type { VerbContext } from './verb.ts'

const lookMs = 500
/** Until the job has begun, which is a matter of the hosts' first words to each other. */
const firstLookMs = 100
const reportMs = 1000
/** What QEMU is content with unless it is told otherwise. */
const qemuDowntimeMs = 300

/** What the monitor has done so far. */
interface Followed {
  startedAt: number
  reportedAt: number
  downtimeMs: number
  timedOut: boolean
}

/**
 * Looks after a migration until `over`: tells how far it is, lets it halt the guest for longer when it does not come to
 * an end, and does at last what the settings say. It begins with QEMU's own downtime unless that is more than allowed,
 * since a shorter one would make moves longer that need none.
 */
export async function followMigration(
  context: VerbContext,
  { serverId, params: { migrationId } }: Command<'migrateLive'>,
  over: AbortSignal,
): Promise<void> {
  const { clock, log } = context
  const startedAt = clock.now()
  const followed: Followed = { startedAt, reportedAt: -Infinity, downtimeMs: qemuDowntimeMs, timedOut: false }
  void reportMigration(context, { serverId, migrationId })
  while (!over.aborted) {
    let job: DomainJob | undefined
    try {
      job = await migrationJob(context, serverId)
      if (job && !over.aborted) await look(context, { serverId, migrationId, job }, followed)
    } catch (error) {
      log.info({ server: serverId, reason: messageOf(error) }, 'a migration could not be looked after')
    }
    await clock.sleep(job ? lookMs : firstLookMs, over).catch(() => {})
  }
}

async function look(context: VerbContext, migration: RunningMigration, followed: Followed): Promise<void> {
  const now = context.clock.now()
  const { job } = migration
  if (now - followed.reportedAt >= reportMs) {
    followed.reportedAt = now
    await reportMigration(context, migration)
  }
  await setDowntime(context, migration, followed, downtimeAfter(context, job, now - followed.startedAt))
  await beginPostCopy(context, migration)
  if (followed.timedOut || !isTooLong(context, job, now - followed.startedAt)) return
  await endIt(context, migration)
  followed.timedOut = true
}

/** What delays and timeouts are multiplied with, as in Nova. */
const sizeFactor = ({ memory, disk }: DomainJob): number =>
  Math.max(2, Math.ceil((memory.total + disk.total) / 2 ** 30))

/** The downtime that is due: from QEMU's own to the longest allowed, in equal steps. */
function downtimeAfter({ settings }: VerbContext, job: DomainJob, elapsedMs: number): number {
  const { downtimeMs, downtimeSteps, downtimeDelaySeconds } = settings.migration
  const first = Math.min(qemuDowntimeMs, downtimeMs)
  const delayMs = downtimeDelaySeconds * 1000 * sizeFactor(job)
  const step = Math.min(downtimeSteps, Math.floor(elapsedMs / Math.max(1, delayMs)))
  return Math.round(first + ((downtimeMs - first) * step) / downtimeSteps)
}

async function setDowntime(
  { hypervisor, log }: VerbContext,
  { serverId }: RunningMigration,
  followed: Followed,
  downtimeMs: number,
): Promise<void> {
  if (downtimeMs === followed.downtimeMs) return
  log.info({ server: serverId, downtimeMs }, 'a migration may halt its guest for so long')
  await hypervisor.setMaxDowntime(serverId, downtimeMs)
  followed.downtimeMs = downtimeMs
}

function isTooLong({ settings }: VerbContext, job: DomainJob, elapsedMs: number): boolean {
  const { timeoutSeconds } = settings.migration
  return timeoutSeconds > 0 && elapsedMs >= timeoutSeconds * 1000 * sizeFactor(job)
}

async function endIt(context: VerbContext, migration: RunningMigration): Promise<void> {
  const { timeoutAction } = context.settings.migration
  const { serverId, migrationId } = migration
  context.log.warn({ server: serverId, timeoutAction }, 'a migration takes too long')
  if (timeoutAction === 'force-complete') return forceComplete(context, migration)
  context.migrations.noteMigration(migrationId, { aborted: true })
  try {
    await context.hypervisor.abortJob(serverId)
  } catch (error) {
    if (!isKind(error, 'conflict')) throw error
  }
}
