import { hostOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** PAUSED → ACTIVE. A failure leaves the server's state. */
export const unpauseAction: ActionDefinition = {
  name: 'unpause',
  tasks: ['unpausing'],
  steps: [
    guestStep({
      name: 'unpause',
      event: 'compute_unpause_instance',
      command: async (scene) => ({ host: hostOf(scene), verb: 'unpause', params: {} }),
      vm: 'active',
    }),
  ],
  failed: () => ({}),
}
