import type { Fault } from '../contract/command.ts'
import type { PowerState } from '../model/server-state.ts'
import { finishSteps } from '../store/action-steps.ts'
import { finishAction } from '../store/actions.ts'
import { insertFault } from '../store/server-faults.ts'
import type { Db } from '../store/store.ts'
import { definitionOf } from './actions/action-table.ts'
import type { ConductorContext } from './context.ts'
import { faultOfThrown } from './faults.ts'
import type { Run } from './run-action.ts'
import { end } from './scene.ts'
import { settle } from './server-change.ts'
import type { ActionScene } from './step.ts'

/** Ends an action that failed for good: the server in a clean state, with the fault. */
export async function endFailed(scene: ActionScene, cause: Fault): Promise<void> {
  const { context, definition, action } = scene
  const observed = definition.asksPowerState ? await askPowerState(scene) : null
  const fault = definition.finalFault?.(scene, cause) ?? cause
  const patch = definition.failed(scene, fault, observed)
  await context.writer.write(async (trx) => {
    const now = context.clock.now()
    const { ours } = await settle(trx, scene, { taskState: null, ...patch })
    if (ours)
      await insertFault(trx, action.serverId, {
        code: fault.code,
        message: fault.message,
        details: fault.details,
        createdAt: now,
      })
    await finishSteps(trx, action.id, {
      result: 'Error',
      details: fault.message,
      traceback: fault.details,
      now,
    })
    await definition.abandoned?.(trx, scene)
    await end(trx, scene, 'failed', 'Error')
  })
}

/** Ends an action whose server someone else has taken over: whatever the server is, is theirs to decide. */
export async function endSuperseded(trx: Db, scene: ActionScene): Promise<void> {
  const now = scene.context.clock.now()
  await finishSteps(trx, scene.action.id, {
    result: 'Error',
    details: 'Another request took the server over.',
    now,
  })
  await scene.definition.abandoned?.(trx, scene)
  await end(trx, scene, 'failed', 'Error')
}

/** Ends an action that cannot be worked on for a defect of ours, with as little as possible. */
export async function giveUp(context: ConductorContext, run: Run, thrown: unknown): Promise<void> {
  const definition = definitionOf(run.action.name)
  const fault = faultOfThrown(thrown)
  await context.writer.write(async (trx) => {
    const now = context.clock.now()
    if (definition) {
      const scene: ActionScene = { context, action: run.action, server: run.server, definition }
      const { ours } = await settle(trx, scene, { vmState: 'error', taskState: null })
      if (ours) await insertFault(trx, run.server.id, { ...fault, createdAt: now })
    }
    await finishSteps(trx, run.action.id, { result: 'Error', details: fault.message, now })
    await finishAction(trx, run.action.id, { owner: context.id, state: 'failed', message: 'Error', now })
  })
}

/** How long the failure path waits for an agent to say whether the guest runs. */
const askMs = 5000

async function askPowerState(scene: ActionScene): Promise<PowerState | null> {
  const { context, server } = scene
  if (server.host === null) return null
  const abort = new AbortController()
  const answer = context.bus
    .ask({ version: 1, host: server.host, name: 'powerState', params: { serverId: server.id } })
    .then(
      (result) => result.powerState,
      () => null,
    )
  const late = context.clock.sleep(askMs, abort.signal).then(
    () => null,
    () => null,
  )
  const observed = await Promise.race([answer, late])
  abort.abort()
  return observed
}
