import { LodgeError, toLodgeError } from '../base/errors.ts'
import type { Action } from '../model/action.ts'
import { finishAction, saveProgress } from '../store/actions.ts'
import type { Db } from '../store/store.ts'
import type { ActionScene, Change } from './step.ts'

/** The scene after a change that has been written. */
export function changed(
  scene: ActionScene,
  change: Change,
  action: Partial<Pick<Action, 'step' | 'state'>> = {},
): ActionScene {
  return {
    ...scene,
    server: change.server ? { ...scene.server, ...change.server } : scene.server,
    action: { ...scene.action, ...action, progress: { ...scene.action.progress, ...change.progress } },
  }
}

/** Writes how far the action has come. @throws LodgeError gone when another conductor holds it now */
export async function save(trx: Db, scene: ActionScene): Promise<void> {
  const { context, action } = scene
  if (!(await saveProgress(trx, action, context.id, context.clock.now()))) throw leaseLost(action)
}

/** Ends the action. @throws LodgeError gone when another conductor holds it now */
export async function end(
  trx: Db,
  scene: ActionScene,
  state: 'done' | 'failed',
  message: string | null,
): Promise<void> {
  const { context, action } = scene
  const now = context.clock.now()
  if (!(await finishAction(trx, action.id, { owner: context.id, state, message, now })))
    throw leaseLost(action)
}

const leaseLost = (action: Action): LodgeError =>
  new LodgeError('gone', `The action ${action.id} is held by another conductor now.`)

/** Whether a run ended because another conductor has the action now. */
export const isLeaseLost = (thrown: unknown): boolean => toLodgeError(thrown).kind === 'gone'

/** Counts from 1. */
export const attemptOf = (action: Action): number => (action.progress['attempt'] as number | undefined) ?? 1
