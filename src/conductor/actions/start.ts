import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** SHUTOFF → ACTIVE, from a domain made anew. A failure leaves the server SHUTOFF. */
export const startAction: ActionDefinition = {
  name: 'start',
  tasks: ['powering-on'],
  steps: [
    guestStep({
      name: 'start',
      event: 'compute_start_instance',
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
