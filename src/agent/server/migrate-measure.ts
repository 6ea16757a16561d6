import { measureMigration } from '../measure-migration.ts'
import type { VerbRun } from './verb.ts'

/** As a question changes nothing, but is asked as a step of the migration. */
export const migrateMeasure: VerbRun<'migrateMeasure'> = async (context, { serverId }) => ({
  result: await measureMigration(context, serverId),
})
