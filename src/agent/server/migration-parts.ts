import { LodgeError } from '../../base/errors.ts'
import type { DomainJob } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { isKind } from './domain-power.ts'
import type { VerbContext } from './verb.ts'

/** Name of the probe by which two hosts find out whether they see the same files. */
export function migrationFile(migrationId: string): string {
  if (!/^[0-9a-f-]{36}$/.test(migrationId))
    throw new LodgeError('badRequest', `${JSON.stringify(migrationId)} is not the id of a migration`)
  return `migration-${migrationId}`
}

export const removeProbe = (context: VerbContext, migrationId: string): Promise<void> =>
  context.disks.removeProbe(migrationFile(migrationId))

/** What the server's disks may grow to. */
export const needsGiB = ({ flavor }: ServerSpec): number =>
  flavor.rootGiB + flavor.ephemeralGiB + Math.ceil(flavor.swapMiB / 1024)

/** The job that moves the domain away or here; undefined when there is none, or no domain. */
export async function migrationJob(context: VerbContext, serverId: string): Promise<DomainJob | undefined> {
  try {
    const job = await context.hypervisor.domainJob(serverId)
    return job?.operation === 'other' ? undefined : job
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined
    throw error
  }
}

/** Waits until no migration is at work on the domain; false when it still is after that time. */
export async function migrationOver(
  context: VerbContext,
  serverId: string,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const until = context.clock.now() + ms
  while (await migrationJob(context, serverId)) {
    if (context.clock.now() >= until) return false
    await context.clock.sleep(jobPollMs, signal)
  }
  return true
}

/** How often a job is asked for. */
export const jobPollMs = 100
