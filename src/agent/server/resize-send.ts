import { powerState } from '../../model/server-state.ts'
import type { Command } from '../../contract/command.ts'
import { isActive } from '../domain-watch.ts'
import { cutPower, isKind } from './domain-power.ts'
import { shutDownGuest } from './shut-down-guest.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * At the source: shuts the guest down, takes its domain away and puts its disks aside, so that nothing here can start
 * it, and sends a copy of the disks. They stay until the move is confirmed. Disks on storage that the destination sees as
 * well are handed over instead where the new flavor leaves them as they are.
 */
export const resizeSend: VerbRun<'resizeSend'> = async (context, command, signal) => {
  const { serverId, params } = command
  const { hypervisor } = context
  const domain = await hypervisor.findDomain(serverId)
  if (domain && isActive(domain.powerState)) {
    const listens = domain.powerState === powerState.RUNNING && params.timeoutSeconds > 0
    const wentDown = listens && (await shutDownGuest(context, serverId, params, signal))
    if (!wentDown) await cutPower(context, serverId, { graceful: true })
  }
  signal.throwIfAborted()
  if (domain) await forgetDomain(context, serverId)
  await giveAway(context, command, signal)
  signal.throwIfAborted()
  return { result: { powerState: powerState.SHUTDOWN }, change: { wanted: 'stopped' } }
}

/** Where both hosts see one storage, and the destination has left a sign there that this one finds, nothing is sent. */
async function giveAway(
  { disks, transfer, host }: VerbContext,
  { serverId, params: { offer, migrationId } }: Command<'resizeSend'>,
  signal: AbortSignal,
): Promise<void> {
  const isShared = offer.host !== host && offer.shared != null
  const shared = isShared && (await disks.seesArrival(serverId, migrationId)) ? offer.shared : null
  if (shared === 'keep') return await disks.handOver(serverId, offer.host, migrationId)
  await disks.putAside(serverId)
  if (shared === 'copy') return await disks.copyAside(serverId, offer.flat, signal)
  for (const { name, sizeBytes, open } of await disks.outgoing(serverId, offer.flat, signal))
    await transfer.send(offer, { serverId, name, sizeBytes }, open(), signal)
}

async function forgetDomain({ hypervisor }: VerbContext, serverId: string): Promise<void> {
  try {
    await hypervisor.undefine(serverId)
  } catch (error) {
    if (!isKind(error, 'notFound')) throw error
  }
}
