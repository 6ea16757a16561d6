import type { VerbContext } from './verb.ts'
import { isKind, startIfOff } from './domain-power.ts'

/** The former host looks every `lostDisksEveryMs` whether its disks are another's by now, and has to end a guest then. */
const waitMs = 60_000
const againMs = 1000

/**
 * Starts the domain on disks that were another host's. Should a guest run there still, on storage that both see, QEMU
 * holds its lock on the disk, and QEMU here does not start before that is gone: it is waited for.
 * @throws what the start throws; for a lock, once it was waited for
 */
export async function startReleased(
  context: VerbContext,
  serverId: string,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = context
  const until = clock.now() + waitMs
  for (;;) {
    try {
      return await startIfOff(context, serverId)
    } catch (error) {
      if (!isLocked(error) || clock.now() >= until) throw error
      log.warn({ server: serverId, reason: error.message }, 'a disk is still in use elsewhere')
      await clock.sleep(againMs, signal)
    }
  }
}

/** QEMU's words, as libvirt hands them on; it has no code for it. */
const isLocked = (error: unknown): error is Error =>
  isKind(error, 'internal') &&
  /Failed to get (shared )?"\w+" lock|is another process using/i.test(error.message)
