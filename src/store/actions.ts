import { sql, type ExpressionBuilder, type Selectable } from 'kysely'
import { newUuid } from '../base/ids.ts'
import type {
  Action,
  ActionName,
  ActionParams,
  ActionState,
  ConductedAction,
  RecordedAction,
} from '../model/action.ts'
import type { AllowedStates } from '../model/allowed-states.ts'
import type { TaskState } from '../model/server-state.ts'
import { finishSteps, insertStep } from './action-steps.ts'
import { locksRows } from './row-locks.ts'
import type { ActionsTable, Schema } from './schema.ts'
import { compareAndSetTask, type ServerPatch } from './servers.ts'
import type { Db } from './store.ts'

interface ActionRequest<N extends ActionName> {
  serverId: string
  name: N
  requestId: string
  /** Of whoever asks. */
  projectId: string
  userId: string
  params: ActionParams[N]
  now: number
}

export interface BeginAction<N extends ConductedAction = ConductedAction> extends ActionRequest<N> {
  /** Milliseconds since 1970; see `actionDeadline`. */
  deadline: number
  /**
   * How the server changes with it, while it is in one of these states. Absent for `create`, whose server is
   * inserted in the same transaction.
   */
  change?: {
    allowed: Pick<AllowedStates, 'vm' | 'task'>
    patch: ServerPatch & { taskState: TaskState | null }
  }
}

/**
 * Begins a durable action: its row, and the server's change of task, in the caller's transaction. Wake the conductor
 * once the transaction is done. Returns null, having written nothing, when the server's state is not (or, by another
 * request, no longer) one that allows the action; a delete of a server that is being deleted is such a case.
 */
export async function beginAction<N extends ConductedAction>(
  trx: Db,
  request: BeginAction<N>,
): Promise<Action | null> {
  const { change, now } = request
  if (change) {
    const { vm, task } = change.allowed
    if (task === 'any' && request.name === 'delete' && (await isDeleting(trx, request.serverId))) return null
    const expected = {
      expectVm: vm === 'any' ? undefined : vm,
      expectTask: task === 'any' ? undefined : task === 'none' ? [null] : [null, ...task],
    }
    if (!(await compareAndSetTask(trx, request.serverId, expected, change.patch, now))) return null
  }
  return insertAction(trx, request, { state: 'queued', deadline: request.deadline, finishedAt: null })
}

/** Records an action that the API did at once, as Nova records lock, unlock and resetState. */
export async function recordAction<N extends RecordedAction>(
  trx: Db,
  request: ActionRequest<N> & { event?: string },
): Promise<Action> {
  const { now, event } = request
  const action = await insertAction(trx, request, { state: 'recorded', deadline: now, finishedAt: now })
  if (event) {
    await insertStep(trx, { actionId: action.id, event, host: null, now })
    await finishSteps(trx, action.id, { result: 'Success', now })
  }
  return action
}

export interface LeaseOptions {
  owner: string
  now: number
  leaseMs: number
  limit: number
  /** Also take what others began and no longer hold. `all`: whoever holds it, for a store with one conductor. */
  takeOver?: 'expired' | 'all'
}

/**
 * Leases live actions to `owner`, oldest first, and makes queued ones running. An action waits while an earlier one
 * of its server is held by another owner; what is leased together for one server is to be done in order.
 */
export async function leaseActions(trx: Db, options: LeaseOptions): Promise<Action[]> {
  const { owner, now, takeOver } = options
  const free =
    takeOver === 'all'
      ? sql<boolean>`(a.lease_owner is null or a.lease_owner <> ${owner})`
      : sql<boolean>`(a.lease_owner is null or a.lease_until < ${now})`
  const states = takeOver ? sql`a.state in ('queued', 'running', 'unwinding')` : sql`a.state = 'queued'`
  const heldByOther =
    takeOver === 'all' ? sql`1 = 0` : sql`b.lease_owner <> ${owner} and b.lease_until >= ${now}`
  const found = await sql<{ id: string }>`
    select a.id from actions a
    where a.finished_at is null and ${states} and ${free} and not exists (
      select 1 from actions b where b.server_id = a.server_id and b.number < a.number
      and b.finished_at is null and ${heldByOther})
    order by a.number limit ${options.limit} ${locksRows(trx) ? sql`for update of a skip locked` : sql``}`.execute(
    trx,
  )
  if (found.rows.length === 0) return []
  const ids = found.rows.map((row) => row.id)
  let query = trx
    .updateTable('actions')
    .set({
      lease_owner: owner,
      lease_until: now + options.leaseMs,
      state: sql<ActionState>`case when state = 'queued' then 'running' else state end` as never,
      updated_at: now,
    })
    .where('id', 'in', ids)
    .where('finished_at', 'is', null)
  // An earlier action that was passed over since another conductor is just leasing it comes first all the same.
  if (locksRows(trx)) query = query.where((eb) => eb.not(eb.exists(earlierOfOthers(eb, { owner, ids }))))
  const rows = await query.returningAll().execute()
  return rows.map(actionFromRow).sort((a, b) => a.number - b.number)
}

function earlierOfOthers(
  eb: ExpressionBuilder<Schema, 'actions'>,
  { owner, ids }: { owner: string; ids: readonly string[] },
) {
  return eb
    .selectFrom('actions as b')
    .select('b.id')
    .whereRef('b.server_id', '=', 'actions.server_id')
    .whereRef('b.number', '<', 'actions.number')
    .where('b.finished_at', 'is', null)
    .where('b.id', 'not in', ids)
    .where((of) => of.or([of('b.lease_owner', 'is', null), of('b.lease_owner', '<>', owner)]))
}

/** Holds on to all live actions of `owner` until `until`. Returns how many there are. */
export async function renewLeases(db: Db, owner: string, until: number): Promise<number> {
  const result = await db
    .updateTable('actions')
    .set({ lease_until: until })
    .where('finished_at', 'is', null)
    .where('lease_owner', '=', owner)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

/** Lets go of all live actions of `owner`, so that another conductor may go on with them at once. */
export async function releaseLeases(db: Db, owner: string): Promise<void> {
  await db
    .updateTable('actions')
    .set({ lease_owner: null, lease_until: 0 })
    .where('finished_at', 'is', null)
    .where('lease_owner', '=', owner)
    .execute()
}

/** Writes how far an action has come. False when `owner` no longer holds it: it must then be left alone. */
export async function saveProgress(
  trx: Db,
  action: Pick<Action, 'id' | 'state' | 'step' | 'progress'>,
  owner: string,
  now: number,
): Promise<boolean> {
  const result = await trx
    .updateTable('actions')
    .set({
      state: action.state,
      step: action.step,
      progress_json: JSON.stringify(action.progress),
      updated_at: now,
    })
    .where('id', '=', action.id)
    .where('lease_owner', '=', owner)
    .where('finished_at', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Ends an action. False when `owner` no longer holds it. */
export async function finishAction(
  trx: Db,
  id: string,
  end: { owner: string; state: 'done' | 'failed'; message: string | null; now: number },
): Promise<boolean> {
  const result = await trx
    .updateTable('actions')
    .set({
      state: end.state,
      message: end.message,
      lease_owner: null,
      lease_until: 0,
      updated_at: end.now,
      finished_at: end.now,
    })
    .where('id', '=', id)
    .where('lease_owner', '=', end.owner)
    .where('finished_at', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

export interface ActionListOptions {
  limit?: number
  /** Request id of the last action of the page before. */
  marker?: string
  changesSince?: number
  changesBefore?: number
}

/** A server's actions, newest first. An unknown marker yields undefined. */
export async function listActions(
  db: Db,
  serverId: string,
  options: ActionListOptions = {},
): Promise<Action[] | undefined> {
  let query = db.selectFrom('actions').selectAll().where('server_id', '=', serverId)
  if (options.marker !== undefined) {
    const marker = await getActionByRequest(db, serverId, options.marker)
    if (!marker) return undefined
    query = query.where('number', '<', marker.number)
  }
  if (options.changesSince !== undefined) query = query.where('updated_at', '>=', options.changesSince)
  if (options.changesBefore !== undefined) query = query.where('updated_at', '<=', options.changesBefore)
  if (options.limit !== undefined) query = query.limit(options.limit)
  const rows = await query.orderBy('number', 'desc').execute()
  return rows.map(actionFromRow)
}

/** One action, or undefined. */
export async function getAction(db: Db, id: string): Promise<Action | undefined> {
  const row = await db.selectFrom('actions').selectAll().where('id', '=', id).executeTakeFirst()
  return row && actionFromRow(row)
}

/** Whether an administrator set the server's state after the action was asked for. */
export async function wasResetSince(db: Db, { serverId, number }: Action): Promise<boolean> {
  const row = await db
    .selectFrom('actions')
    .select('id')
    .where('server_id', '=', serverId)
    .where('name', '=', 'resetState')
    .where('number', '>', number)
    .executeTakeFirst()
  return row !== undefined
}

/** A server's action of one request; undefined when there is none. */
export async function getActionByRequest(
  db: Db,
  serverId: string,
  requestId: string,
): Promise<Action | undefined> {
  const row = await db
    .selectFrom('actions')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('request_id', '=', requestId)
    .orderBy('number', 'desc')
    .executeTakeFirst()
  return row && actionFromRow(row)
}

/** The actions of a server that are not at an end, oldest first. */
export async function liveActionsOf(db: Db, serverIds: readonly string[]): Promise<Action[]> {
  if (serverIds.length === 0) return []
  const rows = await db
    .selectFrom('actions')
    .selectAll()
    .where('server_id', 'in', serverIds)
    .where('finished_at', 'is', null)
    .orderBy('number')
    .execute()
  return rows.map(actionFromRow)
}

async function isDeleting(db: Db, serverId: string): Promise<boolean> {
  const row = await db
    .selectFrom('servers')
    .select('task_state')
    .where('id', '=', serverId)
    .$if(locksRows(db), (query) => query.forUpdate())
    .executeTakeFirst()
  return row?.task_state === 'deleting'
}

async function insertAction(
  trx: Db,
  request: ActionRequest<ActionName>,
  more: { state: ActionState; deadline: number; finishedAt: number | null },
): Promise<Action> {
  const row = await trx
    .insertInto('actions')
    .values({
      id: newUuid(),
      server_id: request.serverId,
      request_id: request.requestId,
      project_id: request.projectId,
      user_id: request.userId,
      name: request.name,
      state: more.state,
      params_json: JSON.stringify(request.params),
      progress_json: '{}',
      step: -1,
      lease_owner: null,
      lease_until: 0,
      deadline: more.deadline,
      message: null,
      started_at: request.now,
      updated_at: request.now,
      finished_at: more.finishedAt,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return actionFromRow(row)
}

function actionFromRow(row: Selectable<ActionsTable>): Action {
  return {
    number: row.number,
    id: row.id,
    serverId: row.server_id,
    requestId: row.request_id,
    projectId: row.project_id,
    userId: row.user_id,
    name: row.name as ActionName,
    state: row.state,
    params: JSON.parse(row.params_json) as Record<string, unknown>,
    progress: JSON.parse(row.progress_json) as Record<string, unknown>,
    step: row.step,
    leaseOwner: row.lease_owner,
    leaseUntil: row.lease_until,
    deadline: row.deadline,
    message: row.message,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
  }
}
