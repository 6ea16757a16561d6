import type { Fault } from '../../contract/command.ts'
import type { PlacementReasons } from '../../model/placement.ts'
import { insertPlacement } from '../../store/placements.ts'
import type { Db } from '../../store/store.ts'
import { faultOf } from '../faults.ts'
import { placeServer, type PlaceAsk } from '../place-server.ts'
import { attemptOf } from '../scene.ts'
import type { ActionScene } from '../step.ts'

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
    fault: faultOf('No valid host was found. There are not enough hosts available.', { details: placed.why }),
  }
}

const keepReasons = (
  trx: Db,
  { action, server, context }: ActionScene,
  chosenHost: string | null,
  reasons: PlacementReasons,
): Promise<void> =>
  insertPlacement(trx, {
    requestId: action.requestId,
    serverId: server.id,
    chosenHost,
    reasons,
    now: context.clock.now(),
  })
