import type { ActionDefinition } from '../step.ts'
import { bootStep } from './start.ts'

/** SOFT_DELETED → ACTIVE, whatever the guest was before. A failure leaves the server SOFT_DELETED. */
export const restoreAction: ActionDefinition = {
  name: 'restore',
  tasks: ['restoring'],
  steps: [bootStep('compute_restore_instance')],
  failed: () => ({}),
}
