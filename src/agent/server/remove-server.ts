import { powerState } from '../../model/server-state.ts'
import { cutPower, isKind } from './domain-power.ts'
import type { VerbContext } from './verb.ts'

/** Takes domain and disks of a server from the host, whatever there is of them. */
export async function removeServer(context: VerbContext, serverId: string): Promise<void> {
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
  await context.disks.remove(serverId)
}
