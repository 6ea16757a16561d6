import { powerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { bootAfresh, cutPower, keepMachineType, needDisks } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/** Starts a stopped server from a new definition. A guest that is there but does not run is cut off first. */
export const start: VerbRun<'start'> = async (context, { serverId, params }, signal) => {
  const spec = keepMachineType(context, params.spec)
  const domain = await context.hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.RUNNING)
    return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running', spec } }
  const disks = await needDisks(context, serverId, spec)
  if (domain && isActive(domain.powerState)) await cutPower(context, serverId, { graceful: true })
  signal.throwIfAborted()
  const booted = await bootAfresh(context, spec, disks)
  return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running', spec: booted } }
}
