import type { ActionName } from '../../model/action.ts'
import type { ActionDefinition } from '../step.ts'
import { createAction } from './create.ts'
import { createBackupAction } from './create-backup.ts'
import { confirmResizeAction } from './confirm-resize.ts'
import { createImageAction } from './create-image.ts'
import { evacuateAction } from './evacuate.ts'
import { migrateAction, resizeAction } from './resize.ts'
import { revertResizeAction } from './revert-resize.ts'
import { deleteAction } from './delete.ts'
import { liveMigrationAction } from './live-migration.ts'
import { pauseAction } from './pause.ts'
import { rebootAction } from './reboot.ts'
import { rebuildAction } from './rebuild.ts'
import { restoreAction } from './restore.ts'
import { resumeAction } from './resume.ts'
import { startAction } from './start.ts'
import { liveMigrationCancelAction, liveMigrationForceCompleteAction } from './steer-live-migration.ts'
import { stopAction } from './stop.ts'
import { suspendAction } from './suspend.ts'
import { unpauseAction } from './unpause.ts'

const definitions = new Map<ActionName, ActionDefinition>(
  [
    createAction,
    deleteAction,
    startAction,
    stopAction,
    rebootAction,
    pauseAction,
    unpauseAction,
    suspendAction,
    resumeAction,
    createImageAction,
    createBackupAction,
    rebuildAction,
    restoreAction,
    liveMigrationAction,
    liveMigrationCancelAction,
    liveMigrationForceCompleteAction,
    resizeAction,
    migrateAction,
    confirmResizeAction,
    revertResizeAction,
    evacuateAction,
  ].map((definition) => [definition.name, definition]),
)

/** How an action is done; undefined for those that the API only records. */
export const definitionOf = (name: ActionName): ActionDefinition | undefined => definitions.get(name)
