import { messageOf } from '../../base/errors.ts'
import type { Command } from '../../contract/command.ts'
import type { DomainJob } from '../../hypervisor/hypervisor.ts'
import { forceComplete } from './migrate-force-complete.ts'
import { isKind } from './domain-power.ts'
import { migrationJob } from './migration-parts.ts'
import type { VerbContext } from './verb.ts'

const lookMs = 500
const reportMs = 1000
/** What QEMU is content with unless it is told otherwise. */
const firstDowntimeMs = 300

/**
 * Looks after a migration until `over`: tells how far it is, lets it halt the guest for longer when it does not come to
 * an end, and does at last what the settings say. It begins with libvirt's own downtime, since a shorter one would make
 * moves longer that need none.
 */
export async function followMigration(
  context: VerbContext,
  command: Command<'migrateLive'>,
  over: AbortSignal,
): Promise<void> {
  const { clock, log } = context
  const { serverId } = command
  const startedAt = clock.now()
  let reportedAt = -Infinity
  let step = 0
  let timedOut = false
  while (!over.aborted) {
    try {
      const job = await migrationJob(context, serverId)
      const now = clock.now()
      if (job && now - reportedAt >= reportMs) {
        reportedAt = now
        await report(context, command, job)
      }
      if (job) {
        const due = downtimeStep(context, job, now - startedAt)
        if (due > step) await raiseDowntime(context, serverId, (step = due))
        if (!timedOut && isTooLong(context, job, now - startedAt)) {
          timedOut = true
          await endIt(context, command)
        }
      }
    } catch (error) {
      log.info({ server: serverId, reason: messageOf(error) }, 'a migration could not be looked after')
    }
    await clock.sleep(lookMs, over).catch(() => {})
  }
}

async function report(
  context: VerbContext,
  { serverId, params: { migrationId } }: Command<'migrateLive'>,
  { memory, disk }: DomainJob,
): Promise<void> {
  await context.report({
    version: 1,
    type: 'migration-progress',
    host: context.host,
    at: context.clock.now(),
    serverId,
    migrationId,
    postCopy: context.migrations.find(migrationId)?.postCopy ?? false,
    progress: {
      memoryTotalBytes: memory.total,
      memoryProcessedBytes: memory.processed,
      memoryRemainingBytes: memory.remaining,
      diskTotalBytes: disk.total,
      diskProcessedBytes: disk.processed,
      diskRemainingBytes: disk.remaining,
    },
  })
}

/** What delays and timeouts are multiplied with, as in Nova. */
const sizeFactor = ({ memory, disk }: DomainJob): number =>
  Math.max(2, Math.ceil((memory.total + disk.total) / 2 ** 30))

function downtimeStep({ settings }: VerbContext, job: DomainJob, elapsedMs: number): number {
  const { downtimeDelaySeconds, downtimeSteps } = settings.migration
  const delayMs = downtimeDelaySeconds * 1000 * sizeFactor(job)
  return Math.min(downtimeSteps, Math.floor(elapsedMs / Math.max(1, delayMs)))
}

async function raiseDowntime(context: VerbContext, serverId: string, step: number): Promise<void> {
  const { downtimeMs, downtimeSteps } = context.settings.migration
  const first = Math.min(firstDowntimeMs, downtimeMs)
  const wanted = Math.round(first + ((downtimeMs - first) * step) / downtimeSteps)
  context.log.info({ server: serverId, downtimeMs: wanted }, 'a migration does not converge')
  await context.hypervisor.setMaxDowntime(serverId, wanted)
}

function isTooLong({ settings }: VerbContext, job: DomainJob, elapsedMs: number): boolean {
  const { timeoutSeconds } = settings.migration
  return timeoutSeconds > 0 && elapsedMs >= timeoutSeconds * 1000 * sizeFactor(job)
}

async function endIt(context: VerbContext, { serverId, params }: Command<'migrateLive'>): Promise<void> {
  const { timeoutAction } = context.settings.migration
  context.log.warn({ server: serverId, timeoutAction }, 'a migration takes too long')
  if (timeoutAction === 'force-complete') return forceComplete(context, serverId, params.migrationId)
  context.migrations.noteMigration(params.migrationId, { aborted: true })
  try {
    await context.hypervisor.abortJob(serverId)
  } catch (error) {
    if (!isKind(error, 'conflict')) throw error
  }
}
