import { powerState } from '../../model/server-state.ts'
import { cutPower, isKind } from './domain-power.ts'
import { removeServer } from './remove-server.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/** The guest runs elsewhere: what is left of it here goes. Disks that both hosts see stay. */
export const migrateFinishSource: VerbRun<'migrateFinishSource'> = async (context, { serverId, params }) => {
  if (params.sharedStorage) {
    await removeDomain(context, serverId)
    // Unless the other host has taken them, as it does when it finds the guest there.
    if (params.to !== undefined) await context.disks.give(serverId, params.to)
  } else await removeServer(context, serverId)
  return { result: {}, change: 'remove' }
}

/** Takes the domain of a server from the host, and leaves its disks. */
export async function removeDomain(context: VerbContext, serverId: string): Promise<void> {
  const { hypervisor } = context
  const domain = await hypervisor.findDomain(serverId)
  if (!domain) return
  if (domain.powerState !== powerState.SHUTDOWN) await cutPower(context, serverId, { graceful: false })
  try {
    await hypervisor.undefine(serverId)
  } catch (error) {
    // It was transient, and went with its power.
    if (!isKind(error, 'notFound')) throw error
  }
}
