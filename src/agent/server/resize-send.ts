import { powerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { cutPower, isKind } from './domain-power.ts'
import { shutDownGuest } from './shut-down-guest.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * At the source: shuts the guest down, takes its domain away and puts its disks aside, so that nothing here can start
 * it, and sends a copy of the disks. They stay until the move is confirmed.
 */
export const resizeSend: VerbRun<'resizeSend'> = async (context, command, signal) => {
  const { serverId, params } = command
  const { hypervisor, disks, transfer } = context
  const domain = await hypervisor.findDomain(serverId)
  if (domain && isActive(domain.powerState)) {
    const listens = domain.powerState === powerState.RUNNING && params.timeoutSeconds > 0
    const wentDown = listens && (await shutDownGuest(context, serverId, params, signal))
    if (!wentDown) await cutPower(context, serverId, { graceful: true })
  }
  signal.throwIfAborted()
  if (domain) await forgetDomain(context, serverId)
  await disks.putAside(serverId)
  for (const { name, sizeBytes, open } of await disks.outgoing(serverId, params.offer.flat, signal))
    await transfer.send(params.offer, { serverId, name, sizeBytes }, open(), signal)
  signal.throwIfAborted()
  return { result: { powerState: powerState.SHUTDOWN }, change: { wanted: 'stopped' } }
}

async function forgetDomain({ hypervisor }: VerbContext, serverId: string): Promise<void> {
  try {
    await hypervisor.undefine(serverId)
  } catch (error) {
    if (!isKind(error, 'notFound')) throw error
  }
}
