import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, Step } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** SHUTOFF → ACTIVE, from a domain made anew. A failure leaves the server SHUTOFF. */
export const startAction: ActionDefinition = {
  name: 'start',
  tasks: ['powering-on'],
  steps: [bootStep('compute_start_instance')],
  failed: () => ({}),
}

/** Boots the guest from a domain made anew: the server is ACTIVE then. */
export function bootStep(event: string): Step {
  return guestStep({
    name: 'start',
    event,
    command: async (scene) => ({
      host: hostOf(scene),
      verb: 'start',
      params: { spec: await specOf(scene) },
    }),
    vm: 'active',
  })
}
