import { powerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { cutPower } from './domain-power.ts'
import { shutDownGuest } from './shut-down-guest.ts'
import type { VerbRun } from './verb.ts'

/** Nova's power off: asks the guest, again and again until the time is up, then cuts the power. */
export const stop: VerbRun<'stop'> = async (context, { serverId, params }, signal) => {
  const domain = await context.hypervisor.findDomain(serverId)
  if (domain && isActive(domain.powerState)) {
    const listens = domain.powerState === powerState.RUNNING && params.timeoutSeconds > 0
    const wentDown = listens && (await shutDownGuest(context, serverId, params, signal))
    // Its disks live on, so QEMU gets the time to close them.
    if (!wentDown) await cutPower(context, serverId, { graceful: true })
  }
  return { result: { powerState: powerState.SHUTDOWN }, change: { wanted: 'stopped' } }
}
