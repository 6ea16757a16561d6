import { LodgeError } from '../../base/errors.ts'
import type { DiskOffer } from '../../contract/disk-transfer.ts'
import type { ServerFlavor } from '../../model/server-spec.ts'
import type { VmState } from '../../model/server-state.ts'
import type { ActionScene } from '../step.ts'

/** What the steps of a move tell each other; kept with the action. */
export interface MoveProgress {
  migrationId: string
  source: string
  dest: string
  oldVmState: VmState
  oldFlavor: ServerFlavor
  offer?: DiskOffer
  /** Hosts that could not take the server. */
  abandoned?: string[]
  /** The step that could not be undone. */
  stuck?: 'send' | 'finish'
}

/** @throws LodgeError internal before a destination was chosen */
export function moveOf(scene: ActionScene): MoveProgress {
  const move = movesSoFar(scene)
  if (!move.dest || !move.source) throw new LodgeError('internal', 'The move has no destination yet.')
  return move as MoveProgress
}

export const movesSoFar = (scene: ActionScene): Partial<MoveProgress> =>
  scene.action.progress as Partial<MoveProgress>
