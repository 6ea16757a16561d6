import type { SpawnResult } from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import { powerState } from '../../model/server-state.ts'
import { hostsOfAllocations } from '../../store/allocations.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { compareAndSetTask } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { attemptOf } from '../scene.ts'
import { enterWith, settle } from '../server-change.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Entered, Step } from '../step.ts'
import { claimDestination } from './claim-destination.ts'
import { recordMigration } from './migration-record.ts'
import { giveBack } from './resize-claim.ts'
import { powerOffCommand } from './stop.ts'

interface EvacuateProgress {
  migrationId: string
  source: string
  dest: string
  abandoned?: string[]
  /** The new host could not be told to let go of what it may have begun. */
  stuck?: boolean
  /** The server lives on its new host. */
  arrived?: boolean
}

const soFar = (scene: ActionScene): Partial<EvacuateProgress> =>
  scene.action.progress as Partial<EvacuateProgress>
const destOf = (scene: ActionScene): string => soFar(scene).dest!
const paramsOf = ({ action }: ActionScene): ActionParams['evacuate'] =>
  action.params as unknown as ActionParams['evacuate']

/** The dead host keeps what is allocated there until it is back and has been cleaned. */
const chooseAndClaim: Step = {
  name: 'claim',
  event: 'rebuild_server',
  enter,
  undo: {
    write: async (trx, scene) => {
      const { abandoned = [], stuck } = soFar(scene)
      if (!stuck) await giveBack(trx, scene, destOf(scene))
      return { progress: { abandoned: [...abandoned, destOf(scene)] } }
    },
  },
}

const spawn: Step = {
  name: 'spawn',
  event: 'compute_rebuild_instance',
  enter: async (trx, scene) => {
    await updateMigration(
      trx,
      soFar(scene).migrationId!,
      { status: 'pre-migrating' },
      scene.context.clock.now(),
    )
    return enterWith(trx, scene, { taskState: 'rebuild_spawning' })
  },
  command: async (scene) => ({
    host: destOf(scene),
    verb: 'spawn',
    params: { spec: await specOf(scene), takeFrom: soFar(scene).source! },
  }),
  leave: async (trx, scene, result) => {
    const { powerState: power, machineType, rootDeviceName } = result as SpawnResult
    const now = scene.context.clock.now()
    await updateMigration(trx, soFar(scene).migrationId!, { status: 'done' }, now)
    const change = await settle(
      trx,
      scene,
      { vmState: 'active', taskState: paramsOf(scene).stop ? 'powering-off' : null, launchedAt: now },
      { host: destOf(scene), powerState: power, machineType, rootDeviceName },
    )
    return { ...change, progress: { arrived: true } }
  },
  undo: {
    command: async (scene) => ({
      host: destOf(scene),
      verb: 'destroy',
      params: { returnTo: soFar(scene).source! },
    }),
    barrier: true,
    write: async (_trx, _scene, result) => ({ progress: result !== undefined ? {} : { stuck: true } }),
  },
}

const stop: Step = {
  name: 'stop',
  event: 'compute_stop_instance',
  enter: async (trx, scene) => {
    if (!paramsOf(scene).stop) return { kind: 'ok', skip: true }
    return enterWith(trx, scene, {})
  },
  command: powerOffCommand,
  leave: (trx, scene) =>
    settle(trx, scene, { vmState: 'stopped', taskState: null }, { powerState: powerState.SHUTDOWN }),
}

/**
 * Builds the server of a dead host anew on another, or brings it to life there with the disks it had where both hosts see
 * them: REBUILD → ACTIVE, or SHUTOFF where that is asked for or was so before. What lies on the dead host is destroyed when that comes back, before it does anything else; the migration
 * says so until then. A failure ends in ERROR, with nothing left on the new host.
 */
export const evacuateAction: ActionDefinition = {
  name: 'evacuate',
  tasks: ['rebuilding', 'rebuild_spawning', 'powering-off'],
  steps: [chooseAndClaim, spawn, stop],
  again: (scene, fault) =>
    fault.retry === 'other-host' &&
    paramsOf(scene).host == null &&
    !soFar(scene).stuck &&
    attemptOf(scene.action) < scene.context.config.scheduler.maxAttempts,
  failed: (scene) => (soFar(scene).arrived ? { vmState: 'active' } : { vmState: 'error' }),
  abandoned: async (trx, scene) => {
    const { migrationId } = soFar(scene)
    if (migrationId !== undefined)
      await updateMigration(trx, migrationId, { status: 'failed' }, scene.context.clock.now(), [
        'accepted',
        'pre-migrating',
      ])
  },
}

async function enter(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context, server, definition } = scene
  const now = context.clock.now()
  const { abandoned = [], ...before } = soFar(scene)
  const source = before.source ?? hostOf(scene)
  const { host = null, force = false } = paramsOf(scene)
  const chosen = await claimDestination(trx, scene, {
    excluded: [...abandoned, source, ...(await hostsOfAllocations(trx, server.id))],
    ...(force ? { forcedHost: host } : { requestedHost: host }),
  })
  if (chosen === 'wait') return { kind: 'wait' }
  if ('fault' in chosen) return { kind: 'failed', fault: chosen.fault }
  const dest = chosen.host
  if (
    !(await compareAndSetTask(
      trx,
      server.id,
      { expectTask: definition.tasks },
      { taskState: 'rebuilding' },
      now,
    ))
  ) {
    await giveBack(trx, scene, dest)
    return { kind: 'superseded' }
  }
  const migrationId =
    before.migrationId ??
    (await recordMigration(trx, scene, {
      type: 'evacuation',
      status: 'accepted',
      sourceHost: source,
      destHost: dest,
    }))
  await updateMigration(trx, migrationId, { destHost: dest }, now)
  return { kind: 'ok', progress: { migrationId, source, dest, abandoned } }
}
