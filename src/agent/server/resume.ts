import { messageOf } from '../../base/errors.ts'
import { powerState } from '../../model/server-state.ts'
import { bootAfresh, keepMachineType, needDisks, needDomain, runOn, startIfOff } from './domain-power.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Brings a suspended guest back from its saved memory, with the definition that it was saved under. Where nothing
 * was saved it boots, as in Nova.
 */
export const resume: VerbRun<'resume'> = async (context, { serverId, params }) => {
  const domain = await needDomain(context, serverId)
  let spec = keepMachineType(context, params.spec)
  if (domain.powerState === powerState.PAUSED) await runOn(context, serverId)
  else if (domain.powerState !== powerState.RUNNING && domain.managedSave) await restore(context, serverId)
  else if (domain.powerState !== powerState.RUNNING)
    spec = await bootAfresh(context, spec, await needDisks(context, serverId))
  return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running', spec } }
}

async function restore(context: VerbContext, serverId: string): Promise<void> {
  const { hypervisor } = context
  await startIfOff(context, serverId)
  // A guest that was paused when it was saved comes back paused.
  const domain = await hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.PAUSED) await runOn(context, serverId)
  try {
    await hypervisor.syncTime(serverId)
  } catch (error) {
    context.log.info({ server: serverId, reason: messageOf(error) }, 'guest clock not set after resume')
  }
}
