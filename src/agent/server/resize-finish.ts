import { powerState } from '../../model/server-state.ts'
import { bootAfresh, writeDomain } from './domain-power.ts'
import type { VerbRun } from './verb.ts'

/** At the destination: what has come becomes the server's, in its new size, and runs where it ran before. */
export const resizeFinish: VerbRun<'resizeFinish'> = async (context, { serverId, params }, signal) => {
  const { spec, migrationId, start } = params
  await context.offers.withdraw(serverId)
  const disks = await context.disks.adopt(spec, migrationId, signal)
  signal.throwIfAborted()
  const { xml, machineType } = await writeDomain(context, spec, disks)
  const settled = { ...spec, machineType }
  if (start) await bootAfresh(context, settled, disks)
  else await context.hypervisor.define(xml)
  return {
    result: {
      powerState: start ? powerState.RUNNING : powerState.SHUTDOWN,
      machineType,
      rootDeviceName: `/dev/${disks.disks[0]!.target}`,
    },
    change: { wanted: start ? 'running' : 'stopped', spec: settled },
  }
}
