import { hostOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, CommandPlan } from '../step.ts'
import { guestStep } from './guest-step.ts'

/**
 * ACTIVE (or ERROR) → SHUTOFF: the guest is asked to shut down and cut off after the timeout. A failure leaves the
 * server's state.
 */
export const stopAction: ActionDefinition = {
  name: 'stop',
  tasks: ['powering-off'],
  steps: [
    guestStep({
      name: 'stop',
      event: 'compute_stop_instance',
      command: powerOffCommand,
      vm: 'stopped',
    }),
  ],
  failed: () => ({}),
}

/**
 * How long the guest may take to go off, and how often it is asked. The image's property `os_shutdown_timeout` overrides
 * the setting, as in Nova.
 */
export function shutdownLimits({ server, context }: ActionScene): CommandPlan<'stop'>['params'] {
  const { shutdownTimeoutSeconds, shutdownRetrySeconds } = context.config.agent
  const property = Number(server.image?.properties['os_shutdown_timeout'] ?? NaN)
  return {
    timeoutSeconds: Number.isInteger(property) && property >= 0 ? property : shutdownTimeoutSeconds,
    retrySeconds: shutdownRetrySeconds,
  }
}

/** Asks the guest to go off, for as long as settings and image say, then cuts the power. */
export async function powerOffCommand(scene: ActionScene): Promise<CommandPlan<'stop'>> {
  return {
    host: hostOf(scene),
    verb: 'stop',
    params: shutdownLimits(scene),
  }
}
