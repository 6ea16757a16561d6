import { hostOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** ACTIVE → PAUSED. A failure leaves the server's state. */
export const pauseAction: ActionDefinition = {
  name: 'pause',
  tasks: ['pausing'],
  steps: [
    guestStep({
      name: 'pause',
      event: 'compute_pause_instance',
      command: async (scene) => ({ host: hostOf(scene), verb: 'pause', params: {} }),
      vm: 'paused',
    }),
  ],
  failed: () => ({}),
}
