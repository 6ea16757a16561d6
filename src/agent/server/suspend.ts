import { powerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { needDomain, refuse } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/** Saves the guest's memory to disk and ends it. A domain that is off with a saved image is suspended already. */
export const suspend: VerbRun<'suspend'> = async (context, { serverId }) => {
  const domain = await needDomain(context, serverId)
  if (isActive(domain.powerState)) await context.hypervisor.managedSave(serverId)
  else if (!domain.managedSave) refuse('suspend', domain)
  return { result: { powerState: powerState.SHUTDOWN }, change: { wanted: 'suspended' } }
}
