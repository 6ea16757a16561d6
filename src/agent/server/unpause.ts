import { powerState } from '../../model/server-state.ts'
import { needDomain, refuse, runOn } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/** Lets a paused guest run on. */
export const unpause: VerbRun<'unpause'> = async (context, { serverId }) => {
  const domain = await needDomain(context, serverId)
  if (domain.powerState === powerState.PAUSED) await runOn(context, serverId)
  else if (domain.powerState !== powerState.RUNNING) refuse('unpause', domain)
  return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running' } }
}
