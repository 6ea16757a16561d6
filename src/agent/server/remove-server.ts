import { powerState } from '../../model/server-state.ts'
import { cutPower, isKind } from './domain-power.ts'
import type { VerbContext } from './verb.ts'

/**
 * Takes domain and disks of a server from the host, whatever there is of them that is its own. `returnTo`: the host whose
 * server it is, which gets disks back that were taken from it.
 */
export async function removeServer(context: VerbContext, serverId: string, returnTo?: string): Promise<void> {
  await context.offers.withdraw(serverId)
  await removeDomain(context, serverId)
  await context.disks.remove(serverId, returnTo)
}

/** Takes the domain of a server from the host, if there is one, whatever its guest does. */
export async function removeDomain(context: VerbContext, serverId: string): Promise<void> {
  const { hypervisor } = context
  const domain = await hypervisor.findDomain(serverId)
  if (domain) {
    if (domain.powerState !== powerState.SHUTDOWN) await cutPower(context, serverId, { graceful: false })
    try {
      await hypervisor.undefine(serverId)
    } catch (error) {
      // It was transient, and went with its power.
      if (!isKind(error, 'notFound')) throw error
    }
  }
}
