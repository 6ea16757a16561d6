import { wasResetSince } from '../store/actions.ts'
import { compareAndSetTask, updateServer, type ServerPatch } from '../store/servers.ts'
import type { Db } from '../store/store.ts'
import type { TaskState } from '../model/server-state.ts'
import type { ActionScene, Change, Entered } from './step.ts'

/**
 * Enters a step: the server must still be in a task of the action, and changes by `patch`. An action that has waited
 * its turn may begin without one, unless an administrator took the task away.
 */
export async function enterWith(trx: Db, scene: ActionScene, patch: ServerPatch): Promise<Entered> {
  const { definition, server, action, context } = scene
  const enter = (expectTask: readonly (TaskState | null)[]): Promise<boolean> =>
    compareAndSetTask(trx, server.id, { expectTask }, patch, context.clock.now())
  const begins = definition.waitsItsTurn === true && action.step < 0
  const ours =
    (await enter(definition.tasks)) ||
    (begins && !(await wasResetSince(trx, action)) && (await enter([null])))
  return ours ? { kind: 'ok', server: patch } : { kind: 'superseded' }
}

/**
 * Writes an outcome. `facts` are true whoever owns the server by now; `states` are written only while the server is
 * in a task of this action, since otherwise someone else (a delete, a reset) has decided what it is.
 */
export async function settle(
  trx: Db,
  scene: ActionScene,
  states: ServerPatch,
  facts: ServerPatch = {},
): Promise<Change & { ours: boolean }> {
  const { definition, server, context } = scene
  const now = context.clock.now()
  const ours = await compareAndSetTask(
    trx,
    server.id,
    { expectTask: definition.tasks },
    { ...facts, ...states },
    now,
  )
  if (!ours && Object.keys(facts).length > 0) await updateServer(trx, server.id, facts, now)
  return { ours, server: ours ? { ...facts, ...states } : facts }
}
