/**
 * One action's way through its steps.
 *
 *      leased ──▶ enter step ──▶ command ──▶ leave, enter next ──▶ ... ──▶ done
 *                    │              │
 *                    │ no longer    │ fault, deadline
 *                    │ ours         ▼
 *                    │          unwinding: undo steps in reverse ──▶ again from the first step, or failed
 *                    ▼
 *                 superseded: ends as it is, since whoever took the server over decides
 *
 * Every arrow with a change is one transaction. Between them the run may stop at any point (crash, shutdown, lost
 * lease): whoever leases the action next goes on from the step that the action's row names.
 */
import { LodgeError } from '../base/errors.ts'
import type { Fault } from '../contract/command.ts'
import type { Action } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { finishSteps, insertStep } from '../store/action-steps.ts'
import { getServer } from '../store/servers.ts'
import type { Db } from '../store/store.ts'
import { definitionOf } from './actions/action-table.ts'
import type { ConductorContext } from './context.ts'
import { deadlineFault, faultOfThrown } from './faults.ts'
import { endFailed, endSuperseded } from './end-action.ts'
import type { Interrupt } from './interrupt.ts'
import { faultOfResult, sendCommand, type SendResult } from './send-command.ts'
import { attemptOf, changed, end, save } from './scene.ts'
import type { ActionScene, CommandPlan, Skip, Step } from './step.ts'

/** An action in work. */
export interface Run {
  action: Action
  server: Server
  interrupt: Interrupt
  /** When the run is to be interrupted next; unwinding gets time of its own. */
  deadline: number
}

/** Brings a leased action to its end. Throws only when the store fails or a defect of ours shows. */
export async function runAction(context: ConductorContext, run: Run): Promise<void> {
  const definition = definitionOf(run.action.name)
  if (!definition) throw new LodgeError('internal', `No definition of the action ${run.action.name}.`)
  let scene: ActionScene = { context, action: run.action, server: run.server, definition }
  let at: Position
  if (run.action.state === 'unwinding')
    at = { kind: 'unwinding', fault: run.action.progress['fault'] as Fault }
  else if (run.action.step >= 0) at = { kind: 'command' }
  else at = { kind: 'begin' }
  for (;;) {
    pass(scene, at)
    const next = await goOn(run, scene, at)
    if (next === 'ended') return
    scene = next.scene
    at = next.at
  }
}

/** Where a run is between two transactions. */
type Position =
  | { kind: 'begin' }
  /** The current step is entered; its command is to be sent, if it has not been. */
  | { kind: 'command' }
  | { kind: 'answered'; result: unknown }
  | { kind: 'failing'; fault: Fault; /** A step that failed while being entered. */ entering?: Step }
  | { kind: 'superseded' }
  | { kind: 'unwinding'; fault: Fault }
  | { kind: 'undone'; fault: Fault; changes: Undone[] }
  | { kind: 'lost'; fault: Fault }

interface Place {
  scene: ActionScene
  at: Position
}

interface Undone {
  step: Step
  /** What became of the undo's command; null when there was none. */
  sent: SendResult | null
  host: string | null
}

const waitMs = 250
/** What unwinding may take beyond the action's deadline. */
const undoMs = 60_000

async function goOn(run: Run, scene: ActionScene, at: Position): Promise<Place | 'ended'> {
  const { writer } = scene.context
  switch (at.kind) {
    case 'begin':
      return begin(run, scene)
    case 'command':
      return command(run, scene)
    case 'answered':
      return writer.write(async (trx) =>
        advance(trx, await close(trx, scene, at.result), scene.action.step + 1),
      )
    case 'failing':
      return fail(scene, at)
    case 'superseded':
      await writer.write((trx) => endSuperseded(trx, scene))
      return 'ended'
    case 'unwinding':
      return unwind(run, scene, at.fault)
    case 'undone':
      return writer.write((trx) => afterUnwinding(trx, scene, at))
    case 'lost':
      await endFailed(scene, at.fault)
      return 'ended'
  }
}

/** Enters the first step, or the first again after unwinding. */
async function begin(run: Run, scene: ActionScene): Promise<Place | 'ended'> {
  const { context } = scene
  const { reason } = run.interrupt
  if (reason === 'shutdown') return 'ended'
  if (reason === 'deadline') return { scene, at: { kind: 'lost', fault: expired(scene) } }
  const place = await context.writer.write((trx) => advance(trx, scene, 0), {
    waitsForNoLocks: placesAlone(scene),
  })
  if (place === 'ended' || place.at.kind !== 'begin') return place
  await run.interrupt.sleep(context.clock, waitMs)
  return place
}

/** A claim passes over hosts that are being claimed, and all else that a create writes is its own. */
const placesAlone = ({ action, server }: ActionScene): boolean =>
  action.name === 'create' && server.schedulerHints['group'] === undefined

/** Enters the step `index`, and the ones after it as far as no host is needed. */
async function advance(trx: Db, scene: ActionScene, index: number): Promise<Place | 'ended'> {
  const { definition, context } = scene
  for (let i = index; i < definition.steps.length; i += 1) {
    const step = definition.steps[i]!
    const entered = (await step.enter?.(trx, scene)) ?? { kind: 'ok' as const }
    if (entered.kind === 'wait') return { scene, at: { kind: 'begin' } }
    if (entered.kind === 'superseded') return { scene, at: { kind: 'superseded' } }
    if (entered.kind === 'failed')
      return { scene, at: { kind: 'failing', fault: entered.fault, entering: step } }
    scene = changed(scene, entered, { step: i, state: 'running' })
    if (step.command && !entered.skip) {
      await save(trx, scene)
      if (step.event) {
        const now = context.clock.now()
        await insertStep(trx, {
          actionId: scene.action.id,
          event: step.event,
          host: step.eventHost ? step.eventHost(scene) : scene.server.host,
          now,
        })
      }
      return { scene, at: { kind: 'command' } }
    }
  }
  await end(trx, scene, 'done', null)
  return 'ended'
}

/** Closes the current step with its outcome. */
async function close(trx: Db, scene: ActionScene, result: unknown): Promise<ActionScene> {
  const step = currentStep(scene)
  const change = await step.leave?.(trx, scene, result)
  if (step.event)
    await finishSteps(trx, scene.action.id, { result: 'Success', now: scene.context.clock.now() })
  return changed(scene, change ?? {})
}

async function command(run: Run, scene: ActionScene): Promise<Place | 'ended'> {
  const step = currentStep(scene)
  let plan: CommandPlan | null
  try {
    plan = (await step.command?.(scene)) ?? null
  } catch (error) {
    return { scene, at: { kind: 'failing', fault: faultOfThrown(error) } }
  }
  if (!plan) return { scene, at: { kind: 'answered', result: undefined } }
  const sent = await sendCommand(scene.context, {
    id: commandId(scene, step.name),
    serverId: scene.server.id,
    requestId: scene.action.requestId,
    plan,
    interrupt: run.interrupt,
    sameHostTries: step.sameHostTries ?? 5,
    // The agent must hear of a delete to cut short what the delete makes pointless.
    cutShortBy: ['superseded', 'deadline', 'shutdown'],
  })
  switch (sent.kind) {
    case 'ok':
      return { scene, at: { kind: 'answered', result: sent.result } }
    case 'fault':
      return skips(step.faults, scene)
        ? { scene, at: { kind: 'answered', result: undefined } }
        : { scene, at: { kind: 'failing', fault: sent.fault } }
    case 'hostDown':
      return skips(step.hostDown, scene)
        ? { scene, at: { kind: 'answered', result: undefined } }
        : { scene, at: { kind: 'failing', fault: sent.fault } }
    case 'interrupted':
      if (sent.reason === 'shutdown') return 'ended'
      if (sent.reason === 'superseded') return { scene, at: { kind: 'superseded' } }
      if (skips(step.faults, scene)) return { scene, at: { kind: 'answered', result: undefined } }
      return { scene, at: { kind: 'failing', fault: expired(scene) } }
  }
}

/** The first thing after a fault: is the server still ours, and is there anything to undo? */
async function fail(
  scene: ActionScene,
  { fault, entering }: { fault: Fault; entering?: Step },
): Promise<Place> {
  const { context, definition, action } = scene
  context.log.info(
    {
      server: action.serverId,
      action: action.name,
      request: action.requestId,
      fault: fault.message,
      details: fault.details,
    },
    'an action failed',
  )
  return context.writer.write(async (trx): Promise<Place> => {
    const now = context.clock.now()
    if (entering?.event) {
      await insertStep(trx, { actionId: action.id, event: entering.event, host: null, now })
    }
    await finishSteps(trx, action.id, {
      result: 'Error',
      details: fault.message,
      traceback: fault.details,
      now,
    })
    const server = await getServer(trx, action.serverId)
    const task = server?.taskState ?? null
    if (task === null || !definition.tasks.includes(task)) return { scene, at: { kind: 'superseded' } }
    const done = definition.steps.slice(0, action.step + 1)
    if (entering || !done.some((step) => step.undo)) return { scene, at: { kind: 'lost', fault } }
    const unwinding = changed(scene, { progress: { fault } }, { state: 'unwinding' })
    await save(trx, unwinding)
    return { scene: unwinding, at: { kind: 'unwinding', fault } }
  })
}

/** Sends what the undo asks of hosts, newest step first. */
async function unwind(run: Run, scene: ActionScene, fault: Fault): Promise<Place | 'ended'> {
  run.interrupt.clear()
  const changes: Undone[] = []
  const undone = new Map<string, unknown>()
  for (let i = scene.action.step; i >= 0; i -= 1) {
    const step = scene.definition.steps[i]!
    if (!step.undo) continue
    const plan = (await step.undo.command?.(scene, undone)) ?? null
    const waits = step.undo.waitsForHost?.(scene, undone) ?? false
    const sent = plan && (await sendUndo(run, scene, { step, plan, waits }))
    if (sent?.kind === 'interrupted' && sent.reason === 'shutdown') return 'ended'
    changes.push({ step, sent, host: plan?.host ?? null })
    undone.set(step.name, resultOf(sent))
    if (step.undo.barrier && sent && sent.kind !== 'ok') break
  }
  return { scene, at: { kind: 'undone', fault, changes } }
}

async function sendUndo(
  run: Run,
  scene: ActionScene,
  { step, plan, waits }: { step: Step; plan: CommandPlan; waits: boolean },
): Promise<SendResult> {
  run.deadline = waits ? Infinity : scene.context.clock.now() + undoMs
  const sent = await sendCommand(scene.context, {
    id: `${commandId(scene, step.name)}-undo`,
    serverId: scene.server.id,
    requestId: scene.action.requestId,
    plan,
    interrupt: run.interrupt,
    sameHostTries: waits ? Infinity : 3,
    cutShortBy: ['deadline', 'shutdown'],
    waitsForHost: waits,
  })
  if (sent.kind !== 'ok')
    scene.context.log.warn(
      { server: scene.server.id, host: plan.host, fault: faultOfResult(sent).message },
      `undoing ${step.name} did not succeed; the host's census will clean up`,
    )
  return sent
}

/** Writes what was undone, and begins again where the action may. */
async function afterUnwinding(
  trx: Db,
  scene: ActionScene,
  { fault, changes }: { fault: Fault; changes: Undone[] },
): Promise<Place | 'ended'> {
  for (const { step, sent, host } of changes) {
    if (sent) await showUndo(trx, scene, step, sent, host)
    scene = changed(scene, (await step.undo?.write?.(trx, scene, resultOf(sent))) ?? {})
  }
  if (!scene.definition.again?.(scene, fault)) {
    await save(trx, (scene = changed(scene, {}, { step: -1 })))
    return { scene, at: { kind: 'lost', fault } }
  }
  const attempt = attemptOf(scene.action) + 1
  scene = changed(scene, { progress: { attempt, lastFault: fault } }, { step: -1, state: 'running' })
  await save(trx, scene)
  return { scene, at: { kind: 'begin' } }
}

const resultOf = (sent: SendResult | null): unknown => (sent?.kind === 'ok' ? sent.result : undefined)

async function showUndo(
  trx: Db,
  scene: ActionScene,
  step: Step,
  sent: SendResult,
  host: string | null,
): Promise<void> {
  const now = scene.context.clock.now()
  const actionId = scene.action.id
  await insertStep(trx, { actionId, event: `lodge_undo_${step.name}`, host, now })
  await finishSteps(
    trx,
    actionId,
    sent.kind === 'ok'
      ? { result: 'Success', details: `What ${step.name} did on host ${host} was removed.`, now }
      : { result: 'Error', details: `Left on host ${host} for its census to remove.`, now },
  )
}

const skips = (rule: Skip | undefined, scene: ActionScene): boolean =>
  typeof rule === 'function' ? rule(scene) : rule === 'skip'

const currentStep = (scene: ActionScene): Step => scene.definition.steps[scene.action.step]!

const commandId = (scene: ActionScene, step: string): string =>
  `${scene.action.id}-${attemptOf(scene.action)}-${step}`

const expired = (scene: ActionScene): Fault => {
  const { action } = scene
  return deadlineFault(action.name, Math.round((action.deadline - action.startedAt) / 1000))
}

function pass(scene: ActionScene, at: Position): void {
  const step = scene.definition.steps[scene.action.step]?.name ?? '-'
  scene.context.failpoint?.(`${scene.action.name}:${step}:${at.kind}`)
}
