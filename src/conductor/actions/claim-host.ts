import type { ActionParams } from '../../model/action.ts'
import type { PlacementReasons } from '../../model/placement.ts'
import { release } from '../../store/allocations.ts'
import { compareAndSetTask, type ServerPatch } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { placeServer } from '../place-server.ts'
import type { ActionScene, Entered } from '../step.ts'
import { keepReasons, noHostFault } from './placement-outcome.ts'

/**
 * Chooses a host and takes its resources, in the given transaction. Writes the server's host, its task `spawning` and
 * the reasons.
 */
export async function claimHost(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context, server, action, definition } = scene
  const params = action.params as ActionParams['create']
  const placed = await placeServer(trx, context, {
    server,
    forcedHost: params.forcedHost,
    requestedHost: params.requestedHost,
    excluded: (action.progress['abandoned'] as string[] | undefined) ?? [],
  })
  if (placed.host === null) return noHost(trx, scene, placed)
  const { host, resources, reasons } = placed
  const patch: ServerPatch = { host, taskState: 'spawning' }
  const expected = { expectTask: definition.tasks }
  if (!(await compareAndSetTask(trx, server.id, expected, patch, context.clock.now())))
    return giveBack(trx, scene)
  context.hosts.take(host, resources, 1)
  await keepReasons(trx, scene, host, reasons)
  return { kind: 'ok', server: patch }
}

/** The server was taken over while we chose: the claim is given back, so that nothing has been written. */
async function giveBack(trx: Db, scene: ActionScene): Promise<Entered> {
  await release(trx, scene.server.id)
  return { kind: 'superseded' }
}

async function noHost(
  trx: Db,
  scene: ActionScene,
  { reasons, why }: { reasons: PlacementReasons; why: string },
): Promise<Entered> {
  const { context, server, definition } = scene
  const now = context.clock.now()
  if (!(await compareAndSetTask(trx, server.id, { expectTask: definition.tasks }, {}, now)))
    return { kind: 'superseded' }
  if (context.hosts.settling()) {
    context.hosts.invalidate()
    return { kind: 'wait' }
  }
  await keepReasons(trx, scene, null, reasons)
  return {
    kind: 'failed',
    fault: noHostFault(why),
  }
}
