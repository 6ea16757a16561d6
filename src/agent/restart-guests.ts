import { messageOf } from '../base/errors.ts'
import type { Command } from '../contract/command.ts'
import type { HostJournal } from './host-journal.ts'
import type { Intake } from './intake.ts'
import { createSemaphore } from './semaphore.ts'
import { start } from './server/start.ts'
import type { VerbContext } from './server/verb.ts'

/**
 * After a boot of the machine: starts the guests that ran when it went down, without asking a controller. Servers
 * that a command waits for are left to that command. `done` is called for each when its start has come to its end,
 * and the whole resolves when all have.
 */
export async function restartGuests(
  context: VerbContext,
  journal: HostJournal,
  intake: Intake,
  done: (serverId: string) => void,
): Promise<void> {
  const wanted = journal
    .servers()
    .filter(({ serverId, wanted }) => wanted === 'running' && !intake.busy(serverId))
  if (wanted.length > 0)
    context.log.info({ servers: wanted.length }, 'starting guests after a boot of the host')
  const atOnce = createSemaphore(context.settings.maxBuilds)
  await Promise.all(
    wanted.map(async ({ serverId }) => {
      await intake.enqueue(serverId, (signal) =>
        atOnce.run(signal, () => startOne(context, journal, serverId, signal)),
      )
      done(serverId)
    }),
  )
}

async function startOne(
  context: VerbContext,
  journal: HostJournal,
  serverId: string,
  signal: AbortSignal,
): Promise<void> {
  const spec = journal.spec(serverId)
  if (!spec) return
  if ((await context.disks.lost([serverId])).length > 0)
    return context.log.warn(
      { server: serverId },
      "not started after a boot: its disks are another host's by now",
    )
  const command: Command<'start'> = {
    version: 1,
    id: `boot-${serverId}`,
    host: context.host,
    serverId,
    verb: 'start',
    params: { spec },
    requestId: 'host-boot',
  }
  try {
    await start(context, command, signal)
  } catch (error) {
    if (!signal.aborted)
      context.log.error(
        { server: serverId, reason: messageOf(error) },
        'guest not started after a boot of the host',
      )
  }
}
