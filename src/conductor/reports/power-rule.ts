import { powerState, type PowerState, type VmState } from '../../model/server-state.ts'

/** What to do about a server whose guest is in an unexpected power state. */
export type PowerRemedy =
  /** Only the number is noted. */
  | 'note'
  /** The guest is off: the server is SHUTOFF. */
  | 'stopped'
  /** The server is stopped by an action of its own, which ends with the guest off. */
  | 'stop'

/**
 * Nova's rules for a server without a task whose guest changed by itself (its periodic sync of power states):
 * an ACTIVE or PAUSED server whose guest is off is SHUTOFF; one that crashed or that the guest put to sleep is
 * stopped; a SHUTOFF server whose guest runs is stopped again, since only the API starts servers. In every other
 * state only the number changes.
 */
export function remedyFor(vm: VmState, observed: PowerState): PowerRemedy {
  const { SHUTDOWN, CRASHED, SUSPENDED, RUNNING } = powerState
  switch (vm) {
    case 'active':
      if (observed === SHUTDOWN) return 'stopped'
      return observed === CRASHED || observed === SUSPENDED ? 'stop' : 'note'
    case 'paused':
      if (observed === SHUTDOWN) return 'stopped'
      return observed === CRASHED ? 'stop' : 'note'
    case 'stopped':
      return observed === RUNNING ? 'stop' : 'note'
    default:
      return 'note'
  }
}
