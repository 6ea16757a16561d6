import type { Fault } from '../../contract/command.ts'
import type { PlacementReasons } from '../../model/placement.ts'
import { insertPlacement } from '../../store/placements.ts'
import type { Db } from '../../store/store.ts'
import { faultOf } from '../faults.ts'
import type { ActionScene } from '../step.ts'

/** Keeps why the server of an action was placed on `chosenHost`, or nowhere when that is null. */
export const keepReasons = (
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

/** Nova's words for a server that no host takes; `why` is the scheduler's sentence for the operator. */
export const noHostFault = (why: string): Fault =>
  faultOf('No valid host was found. There are not enough hosts available.', { details: why })
