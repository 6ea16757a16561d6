import { hostOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'
import { guestStep } from './guest-step.ts'

/** ACTIVE → SUSPENDED. A failure ends in ERROR, as in Nova, unless the host cannot suspend at all. */
export const suspendAction: ActionDefinition = {
  name: 'suspend',
  tasks: ['suspending'],
  steps: [
    guestStep({
      name: 'suspend',
      event: 'compute_suspend_instance',
      command: async (scene) => ({ host: hostOf(scene), verb: 'suspend', params: {} }),
      vm: 'suspended',
    }),
  ],
  failed: (_scene, fault) => (fault.kind === 'notImplemented' ? {} : { vmState: 'error' }),
}
