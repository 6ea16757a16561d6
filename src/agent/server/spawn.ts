import { messageOf } from '../../base/errors.ts'
import { powerState } from '../../model/server-state.ts'
import { agentStops } from '../agent-stops.ts'
import { defineDomain } from './define-domain.ts'
import { runOn, startIfOff, writeDomain } from './domain-power.ts'
import { removeServer } from './remove-server.ts'
import { startReleased } from './start-released.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Builds a server: disks, domain, start. What it made is taken away again if it fails, unless the guest was
 * running before (a repetition); disks that were taken over from another host are given back to it.
 */
export const spawn: VerbRun<'spawn'> = async (context, { serverId, params }, signal) => {
  const { hypervisor } = context
  const { spec, takeFrom } = params
  const before = await hypervisor.findDomain(serverId)
  try {
    const disks = await context.disks.prepare(spec, signal, takeFrom)
    signal.throwIfAborted()
    const { xml, machineType } = await writeDomain(context, spec, disks)
    if (before?.powerState === powerState.PAUSED) await runOn(context, serverId)
    else if (before?.powerState !== powerState.RUNNING) {
      await defineDomain(context, spec, xml)
      signal.throwIfAborted()
      if (takeFrom === undefined) await startIfOff(context, serverId)
      else await startReleased(context, serverId, signal)
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
    if (!keep) await removeWhatWasMade(context, serverId, takeFrom)
    throw error
  }
}

async function removeWhatWasMade(
  context: VerbContext,
  serverId: string,
  takenFrom: string | undefined,
): Promise<void> {
  try {
    await removeServer(context, serverId, takenFrom)
  } catch (error) {
    // The census will report what is left.
    context.log.error({ server: serverId, reason: messageOf(error) }, 'cannot clean up after a failed build')
  }
}
