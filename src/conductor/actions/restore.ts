import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** SOFT_DELETED → ACTIVE, whatever the guest was before. A failure leaves the server SOFT_DELETED. */
export const restoreAction: ActionDefinition = {
  name: 'restore',
  tasks: ['restoring'],
  steps: [
    guestStep({
      name: 'start',
      event: 'compute_restore_instance',
      command: async (scene) => ({
        host: hostOf(scene),
        verb: 'start',
        params: { spec: await specOf(scene) },
      }),
      vm: 'active',
    }),
  ],
  failed: () => ({}),
}
