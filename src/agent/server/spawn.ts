import { messageOf } from '../../base/errors.ts'
import { powerState } from '../../model/server-state.ts'
import { agentStops } from '../agent-stops.ts'
import { defineDomain } from './define-domain.ts'
import { runOn, startIfOff, writeDomain } from './domain-power.ts'
import { removeServer } from './remove-server.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Builds a server: disks, domain, start. What it made is taken away again if it fails, unless the guest was
 * running before (a repetition).
 */
export const spawn: VerbRun<'spawn'> = async (context, { serverId, params: { spec } }, signal) => {
  const { hypervisor } = context
  const before = await hypervisor.findDomain(serverId)
  try {
    const disks = await context.disks.prepare(spec, signal)
    signal.throwIfAborted()
    const { xml, machineType } = await writeDomain(context, spec, disks)
    if (before?.powerState === powerState.PAUSED) await runOn(context, serverId)
    else if (before?.powerState !== powerState.RUNNING) {
      await defineDomain(context, spec, xml)
      signal.throwIfAborted()
      await startIfOff(context, serverId)
    }
    signal.throwIfAborted()
    return {
      result: {
        powerState: powerState.RUNNING,
        machineType,
        rootDeviceName: `/dev/${disks.disks[0]!.target}`,
      },
      change: { wanted: 'running', spec: { ...spec, machineType } },
    }
  } catch (error) {
    const keep = signal.reason === agentStops || before?.powerState === powerState.RUNNING
    if (!keep) await removeWhatWasMade(context, serverId)
    throw error
  }
}

async function removeWhatWasMade(context: VerbContext, serverId: string): Promise<void> {
  try {
    await removeServer(context, serverId)
  } catch (error) {
    // The census will report what is left.
    context.log.error({ server: serverId, reason: messageOf(error) }, 'cannot clean up after a failed build')
  }
}
