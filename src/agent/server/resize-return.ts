import { powerState } from '../../model/server-state.ts'
import { bootAfresh, keepMachineType, needDisks, writeDomain } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/**
 * At the source: the server lives here again, as it was before it was to move. Where the move had not come as far as
 * to shut it down, it runs on.
 */
export const resizeReturn: VerbRun<'resizeReturn'> = async (context, { serverId, params }, signal) => {
  const { hypervisor, disks } = context
  await disks.putBack(serverId)
  signal.throwIfAborted()
  const spec = keepMachineType(context, params.spec)
  const own = await needDisks(context, serverId)
  const domain = await hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.RUNNING && params.start)
    return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running', spec } }
  if (params.start) {
    const booted = await bootAfresh(context, spec, own)
    return { result: { powerState: powerState.RUNNING }, change: { wanted: 'running', spec: booted } }
  }
  const { xml, machineType } = await writeDomain(context, spec, own)
  await hypervisor.define(xml)
  return {
    result: { powerState: powerState.SHUTDOWN },
    change: { wanted: 'stopped', spec: { ...spec, machineType } },
  }
}
