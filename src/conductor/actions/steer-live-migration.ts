import type { Verb } from '../../contract/command.ts'
import type { ActionParams, ConductedAction } from '../../model/action.ts'
import { hostOf } from '../spec-of.ts'
import type { ActionDefinition } from '../step.ts'

/**
 * An action about a live migration that is at work: it is done beside it, and changes nothing of the server itself,
 * which belongs to the migration.
 */
const steering = (
  name: Extract<ConductedAction, 'live_migration_cancel' | 'live_migration_force_complete'>,
  verb: Extract<Verb, 'migrateAbort' | 'migrateForceComplete'>,
  event: string,
): ActionDefinition => ({
  name,
  tasks: [],
  steps: [
    {
      name: 'steer',
      event,
      command: async (scene) => {
        const { migrationId } = scene.action.params as ActionParams['live_migration_cancel']
        return { host: hostOf(scene), verb, params: { migrationId } }
      },
    },
  ],
  failed: () => ({}),
})

/** The guest stays where it is. */
export const liveMigrationCancelAction = steering(
  'live_migration_cancel',
  'migrateAbort',
  'compute_live_migration_abort',
)

/** The migration comes to its end soon, at the cost of a longer halt or of the way back. */
export const liveMigrationForceCompleteAction = steering(
  'live_migration_force_complete',
  'migrateForceComplete',
  'compute_live_migration_force_complete',
)
