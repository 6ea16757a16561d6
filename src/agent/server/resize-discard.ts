import { removeDomain } from './remove-server.ts'
import type { VerbRun } from './verb.ts'

/** At the destination: removes what that migration brought, guest and disks. What else there is of the server stays. */
export const resizeDiscard: VerbRun<'resizeDiscard'> = async (context, { serverId, params }) => {
  const { disks, offers } = context
  await offers.withdraw(serverId)
  const came = await disks.cameWith(serverId, params.migrationId)
  if (came) await removeDomain(context, serverId)
  await disks.discard(serverId, params.migrationId)
  const stays = await disks.describe(serverId)
  return { result: {}, ...(came && !stays ? { change: 'remove' as const } : {}) }
}
