import type { Selectable } from 'kysely'
import type { ActionStep } from '../model/action.ts'
import type { ActionStepsTable } from './schema.ts'
import type { Db } from './store.ts'

/** Begins a step's run as the API shows it. */
export async function insertStep(
  trx: Db,
  step: { actionId: string; event: string; host: string | null; now: number },
): Promise<void> {
  await trx
    .insertInto('action_steps')
    .values({
      action_id: step.actionId,
      event: step.event,
      host: step.host,
      result: null,
      details: null,
      traceback: null,
      started_at: step.now,
      finished_at: null,
    })
    .execute()
}

/** Ends the run of whatever step of the action is open. */
export async function finishSteps(
  trx: Db,
  actionId: string,
  end: { result: 'Success' | 'Error'; details?: string | null; traceback?: string | null; now: number },
): Promise<void> {
  await trx
    .updateTable('action_steps')
    .set({
      result: end.result,
      details: end.details ?? null,
      traceback: end.traceback ?? null,
      finished_at: end.now,
    })
    .where('action_id', '=', actionId)
    .where('finished_at', 'is', null)
    .execute()
}

/** The steps' runs of an action in order of time: Nova's events. */
export async function listSteps(db: Db, actionId: string): Promise<ActionStep[]> {
  const rows = await db
    .selectFrom('action_steps')
    .selectAll()
    .where('action_id', '=', actionId)
    .orderBy('number')
    .execute()
  return rows.map(stepFromRow)
}

function stepFromRow(row: Selectable<ActionStepsTable>): ActionStep {
  return {
    number: row.number,
    actionId: row.action_id,
    event: row.event,
    host: row.host,
    result: row.result,
    details: row.details,
    traceback: row.traceback,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  }
}
