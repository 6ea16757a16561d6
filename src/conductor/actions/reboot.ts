import type { ActionParams } from '../../model/action.ts'
import { powerState } from '../../model/server-state.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene } from '../step.ts'
import { guestStep } from './guest-step.ts'

/**
 * REBOOT or HARD_REBOOT → ACTIVE. SOFT asks the guest and turns into HARD on the host when it does not go down; for a
 * guest that does not run SOFT is HARD from the start. After a failure the server stays as it was if the guest runs
 * nevertheless, and is in ERROR if it does not.
 *
 * A HARD reboot may be asked for while another reboot is at work; it then waits its turn, and finds the task that the
 * earlier one left, which may be none.
 */
export const rebootAction: ActionDefinition = {
  name: 'reboot',
  tasks: [
    'rebooting',
    'reboot_pending',
    'reboot_started',
    'rebooting_hard',
    'reboot_pending_hard',
    'reboot_started_hard',
  ],
  waitsItsTurn: true,
  steps: [
    guestStep({
      name: 'reboot',
      event: 'compute_reboot_instance',
      during: (scene) => ({ taskState: isHard(scene) ? 'reboot_started_hard' : 'reboot_started' }),
      command: async (scene) => ({
        host: hostOf(scene),
        verb: 'reboot',
        params: {
          type: isHard(scene) ? 'HARD' : 'SOFT',
          spec: await specOf(scene),
          softTimeoutSeconds: scene.context.config.agent.softRebootTimeoutSeconds,
        },
      }),
      vm: 'active',
    }),
  ],
  asksPowerState: true,
  failed: (_scene, _fault, observed) =>
    observed === powerState.RUNNING
      ? { powerState: observed }
      : { vmState: 'error', ...(observed === null ? {} : { powerState: observed }) },
}

const isHard = ({ action, server }: ActionScene): boolean =>
  (action.params as ActionParams['reboot']).type === 'HARD' || server.powerState !== powerState.RUNNING
