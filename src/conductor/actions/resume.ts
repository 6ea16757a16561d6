import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** SUSPENDED → ACTIVE. A failure leaves the server SUSPENDED. */
export const resumeAction: ActionDefinition = {
  name: 'resume',
  tasks: ['resuming'],
  steps: [
    guestStep({
      name: 'resume',
      event: 'compute_resume_instance',
      command: async (scene) => ({
        host: hostOf(scene),
        verb: 'resume',
        params: { spec: await specOf(scene) },
      }),
      vm: 'active',
    }),
  ],
  failed: () => ({}),
}
