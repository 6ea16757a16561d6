import { messageOf } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { powerState } from '../../model/server-state.ts'
import { isActive, saysOff } from '../domain-watch.ts'
import { bootAfresh, cutPower, isKind, keepMachineType, needDisks } from './domain-power.ts'
import type { Done, VerbContext, VerbRun } from './verb.ts'

/**
 * Soft: the guest is asked, and either reboots or goes off and is started. When it does neither in time, cannot be
 * asked, or does not run, the reboot becomes a hard one, as in Nova: power off, new definition, start.
 */
export const reboot: VerbRun<'reboot'> = async (context, command, signal) => {
  const { serverId, params } = command
  const spec = keepMachineType(context, params.spec)
  const domain = await context.hypervisor.findDomain(serverId)
  if (params.type === 'SOFT' && domain?.powerState === powerState.RUNNING) {
    const rebooted = await rebootSoftly(context, serverId, params.softTimeoutSeconds, signal)
    if (rebooted) return done(spec)
    signal.throwIfAborted()
  }
  const disks = await needDisks(context, serverId, spec)
  await cutPower(context, serverId, { graceful: false })
  return done(await bootAfresh(context, spec, disks))
}

const done = (spec: ServerSpec): Done<'reboot'> => ({
  result: { powerState: powerState.RUNNING },
  change: { wanted: 'running', spec },
})

/** @returns whether the guest runs again; otherwise it is off, or did not react */
async function rebootSoftly(
  context: VerbContext,
  serverId: string,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { hypervisor, watch } = context
  using reaction = watch.expect(
    serverId,
    (event) => event.type === 'reboot' || saysOff(event),
    timeoutSeconds * 1000,
    signal,
  )
  try {
    await hypervisor.requestReboot(serverId)
  } catch (error) {
    if (isKind(error, 'unavailable')) throw error
    context.log.info({ server: serverId, reason: messageOf(error) }, 'soft reboot refused')
    return false
  }
  if ((await reaction.event)?.type !== 'reboot') return false
  return runsAgain(context, serverId, signal)
}

/** libvirt turns the guest's power off into a reset, during which the domain is paused for a moment. */
async function runsAgain(context: VerbContext, serverId: string, signal: AbortSignal): Promise<boolean> {
  using resumed = context.watch.expect(
    serverId,
    (event) => event.type === 'lifecycle' && (event.event === 'resumed' || saysOff(event)),
    resumeMs,
    signal,
  )
  const domain = await context.hypervisor.findDomain(serverId)
  if (domain?.powerState === powerState.RUNNING) return true
  if (!domain || !isActive(domain.powerState)) return false
  await resumed.event
  signal.throwIfAborted()
  return (await context.hypervisor.findDomain(serverId))?.powerState === powerState.RUNNING
}

const resumeMs = 5_000
