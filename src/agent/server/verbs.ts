import type { Command, Verb } from '../../contract/command.ts'
import { destroy } from './destroy.ts'
import { migrateAbort } from './migrate-abort.ts'
import { migrateCheckDestination } from './migrate-check-destination.ts'
import { migrateCheckSource } from './migrate-check-source.ts'
import { migrateFinishDestination } from './migrate-finish-destination.ts'
import { migrateFinishSource } from './migrate-finish-source.ts'
import { migrateForceComplete } from './migrate-force-complete.ts'
import { migrateLive } from './migrate-live.ts'
import { migrateMeasure } from './migrate-measure.ts'
import { migratePrepareDestination } from './migrate-prepare-destination.ts'
import { migrateRollbackDestination } from './migrate-rollback-destination.ts'
import { pause } from './pause.ts'
import { reboot } from './reboot.ts'
import { resizeDiscard } from './resize-discard.ts'
import { resizeFinish } from './resize-finish.ts'
import { resizeForget } from './resize-forget.ts'
import { resizeVerify } from './resize-verify.ts'
import { resizePrepare } from './resize-prepare.ts'
import { resizeReturn } from './resize-return.ts'
import { resizeSend } from './resize-send.ts'
import { resume } from './resume.ts'
import { snapshot } from './snapshot.ts'
import { spawn } from './spawn.ts'
import { start } from './start.ts'
import { stop } from './stop.ts'
import { suspend } from './suspend.ts'
import { unpause } from './unpause.ts'
import type { Done, VerbContext, VerbRun } from './verb.ts'

const verbs: { [V in Verb]: VerbRun<V> } = {
  spawn,
  destroy,
  start,
  stop,
  reboot,
  pause,
  unpause,
  suspend,
  resume,
  snapshot,
  migrateCheckDestination,
  migrateCheckSource,
  migrateMeasure,
  migratePrepareDestination,
  migrateLive,
  migrateAbort,
  migrateForceComplete,
  migrateFinishDestination,
  migrateFinishSource,
  migrateRollbackDestination,
  resizePrepare,
  resizeSend,
  resizeFinish,
  resizeDiscard,
  resizeReturn,
  resizeForget,
  resizeVerify,
}

export const isVerb = (name: string): name is Verb => Object.hasOwn(verbs, name)

export const performCommand = (context: VerbContext, command: Command, signal: AbortSignal): Promise<Done> =>
  (verbs[command.verb] as VerbRun<Verb>)(context, command, signal)
