import { messageOf } from '../base/errors.ts'
import { powerState } from '../model/server-state.ts'
import { isActive } from './domain-watch.ts'
import type { HostJournal } from './host-journal.ts'
import { cutPower } from './server/domain-power.ts'
import { migrationJob } from './server/migration-parts.ts'
import type { VerbContext } from './server/verb.ts'

/** How often a host on shared storage looks whether a guest of its runs on disks that are another host's by now. */
export const lostDisksEveryMs = 5000

/**
 * Ends guests whose disks have been given to another host while this one was not to be reached: a host that is cut off
 * from its controller, but not from the storage, so learns that it was evacuated. The mark on the disks is all it asks.
 */
export async function endGuestsOnLostDisks(context: VerbContext, journal: HostJournal): Promise<void> {
  const { disks, watch, log } = context
  const running = journal
    .servers()
    .map(({ serverId }) => serverId)
    .filter((serverId) => isActive(watch.state(serverId) ?? powerState.NOSTATE))
  if (running.length === 0) return
  for (const serverId of await disks.lost(running)) {
    // One that is on its way takes its disks along.
    if (await migrationJob(context, serverId)) continue
    log.error({ server: serverId }, "a guest runs on disks that are another host's by now; it is ended")
    try {
      await cutPower(context, serverId, { graceful: false })
    } catch (error) {
      log.error({ server: serverId, reason: messageOf(error) }, 'a guest without disks could not be ended')
    }
  }
}
