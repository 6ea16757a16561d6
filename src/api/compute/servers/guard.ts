import { LodgeError } from '../../../base/errors.ts'
import {
  allowedStates,
  refusalNames,
  type AllowedStates,
  type GuardedAction,
} from '../../../model/allowed-states.ts'
import type { Server } from '../../../model/server.ts'
import type { Caller } from '../../common/route.ts'

/**
 * Refuses what Nova refuses for the server's lock and state, in Nova's order: lock, host, vm_state, task_state.
 * @throws LodgeError conflict
 */
export function checkAllowed(server: Server, action: GuardedAction, caller: Pick<Caller, 'isAdmin'>): void {
  const allowed: AllowedStates = allowedStates[action]
  if (allowed.checksLock) checkLock(server, caller)
  if (allowed.needsHost && server.host === null)
    throw new LodgeError('conflict', `Instance ${server.id} is not ready`)
  if (allowed.vm !== 'any' && !allowed.vm.includes(server.vmState))
    throw refused(server, action, 'vm_state', server.vmState)
  if (server.taskState === null || allowed.task === 'any') return
  if (allowed.task === 'none' || !allowed.task.includes(server.taskState))
    throw refused(server, action, 'task_state', server.taskState)
}

/** An administrator is never stopped by a lock. @throws LodgeError conflict */
export function checkLock(server: Server, caller: Pick<Caller, 'isAdmin'>): void {
  if (server.lockedBy !== null && !caller.isAdmin)
    throw new LodgeError('conflict', `Instance ${server.id} is locked`)
}

/** Of two requests that came at once the other one won. */
export const overtaken = (server: Server, action: GuardedAction): LodgeError =>
  new LodgeError(
    'conflict',
    `Cannot '${refusalNames[action]}' instance ${server.id}: another request is changing it`,
  )

const refused = (server: Server, action: GuardedAction, attribute: string, state: string): LodgeError =>
  new LodgeError(
    'conflict',
    `Cannot '${refusalNames[action]}' instance ${server.id} while it is in ${attribute} ${state}`,
  )
