import { messageOf } from '../../base/errors.ts'
import { isActive, saysOff } from '../domain-watch.ts'
import { isKind } from './domain-power.ts'
import type { VerbContext } from './verb.ts'

/**
 * Asks a running guest to shut down and waits for it, asking again every `retrySeconds`, because a guest that is
 * still booting does not see the first press of the button.
 * @returns whether it went down within `timeoutSeconds`
 * @throws the signal's reason; LodgeError unavailable when libvirt is lost
 */
export async function shutDownGuest(
  context: VerbContext,
  serverId: string,
  limits: { timeoutSeconds: number; retrySeconds: number },
  signal: AbortSignal,
): Promise<boolean> {
  const { hypervisor, watch, clock } = context
  const deadline = clock.now() + limits.timeoutSeconds * 1000
  for (let left = limits.timeoutSeconds * 1000; left > 0; left = deadline - clock.now()) {
    using off = watch.expect(
      serverId,
      saysOff,
      Math.min(left, Math.max(limits.retrySeconds, 1) * 1000),
      signal,
    )
    try {
      await hypervisor.requestShutdown(serverId)
    } catch (error) {
      if (isKind(error, 'unavailable')) throw error
      // Most likely it is off already; else the guest cannot be asked now, and perhaps later.
      context.log.debug({ server: serverId, reason: messageOf(error) }, 'shutdown request refused')
      if (await isOff(context, serverId)) return true
    }
    if (await off.event) return true
    signal.throwIfAborted()
    // Events are lost with the connection to libvirt.
    if (await isOff(context, serverId)) return true
  }
  return false
}

async function isOff({ hypervisor }: VerbContext, serverId: string): Promise<boolean> {
  const domain = await hypervisor.findDomain(serverId)
  return !domain || !isActive(domain.powerState)
}
