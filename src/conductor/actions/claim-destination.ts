import type { Fault } from '../../contract/command.ts'
import type { Db } from '../../store/store.ts'
import { placeServer, type PlaceAsk } from '../place-server.ts'
import { attemptOf } from '../scene.ts'
import type { ActionScene } from '../step.ts'
import { keepReasons, noHostFault } from './placement-outcome.ts'

/**
 * Chooses a host for a server to move to, and takes its resources beside those of the host that it is on, in the given
 * transaction. The server's record does not change.
 */
export async function claimDestination(
  trx: Db,
  scene: ActionScene,
  ask: Omit<PlaceAsk, 'server'>,
): Promise<{ host: string } | { fault: Fault } | 'wait'> {
  const { context, server } = scene
  await context.hosts.refresh(trx)
  const placed = await placeServer(trx, context, { ...ask, server })
  if (placed.host !== null) {
    context.hosts.take(placed.host, placed.resources, 1)
    await keepReasons(trx, scene, placed.host, placed.reasons)
    return { host: placed.host }
  }
  // A later attempt knows already what there is.
  if (attemptOf(scene.action) === 1 && context.hosts.settling()) {
    context.hosts.invalidate()
    return 'wait'
  }
  await keepReasons(trx, scene, null, placed.reasons)
  return {
    fault: noHostFault(placed.why),
  }
}
