import type { ServerResult } from '../../contract/command.ts'
import type { VmState } from '../../model/server-state.ts'
import type { ServerPatch } from '../../store/servers.ts'
import { enterWith, settle } from '../server-change.ts'
import type { ActionScene, CommandPlan, Step } from '../step.ts'

/** The one step of an action that changes a guest on its host and leaves the server in the state `vm`. */
export function guestStep(step: {
  name: string
  event: string
  /** The server's change while the command runs, beyond the task that the API has set. */
  during?: (scene: ActionScene) => ServerPatch
  command: (scene: ActionScene) => Promise<CommandPlan>
  /** Absent: as it was. */
  vm?: VmState
}): Step {
  return {
    name: step.name,
    event: step.event,
    enter: (trx, scene) => enterWith(trx, scene, step.during?.(scene) ?? {}),
    command: step.command,
    leave: (trx, scene, result) =>
      settle(
        trx,
        scene,
        { taskState: null, ...(step.vm ? { vmState: step.vm } : {}) },
        { powerState: (result as ServerResult).powerState },
      ),
  }
}
