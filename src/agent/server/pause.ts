import { powerState } from '../../model/server-state.ts'
import { needDomain, refuse } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/** Stops the guest's CPUs; its memory stays. */
export const pause: VerbRun<'pause'> = async (context, { serverId }) => {
  const domain = await needDomain(context, serverId)
  if (domain.powerState === powerState.RUNNING) await context.hypervisor.suspend(serverId)
  else if (domain.powerState !== powerState.PAUSED) refuse('pause', domain)
  return { result: { powerState: powerState.PAUSED }, change: { wanted: 'paused' } }
}
