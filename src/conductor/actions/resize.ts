import type { SpawnResult } from '../../contract/command.ts'
import type { DiskOffer } from '../../contract/disk-transfer.ts'
import { powerState } from '../../model/server-state.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { attemptOf } from '../scene.ts'
import { enterWith, settle } from '../server-change.ts'
import { specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, CommandPlan, Step } from '../step.ts'
import { moveOf, movesSoFar } from './move-progress.ts'
import { newFlavorOf, requestedHost, resizeClaim } from './resize-claim.ts'
import { shutdownLimits } from './stop.ts'

/** Removes from the destination what this migration brought, and only that: the server may live on the same host. */
const discard = async (scene: ActionScene): Promise<CommandPlan> => {
  const { dest, migrationId } = moveOf(scene)
  return { host: dest, verb: 'resizeDiscard', params: { migrationId } }
}

const prepare: Step = {
  name: 'prepare',
  event: 'compute_prep_resize',
  command: async (scene) => {
    const { dest, migrationId } = moveOf(scene)
    const spec = { ...(await specOf(scene)), flavor: newFlavorOf(scene) }
    return { host: dest, verb: 'resizePrepare', params: { spec, migrationId } }
  },
  leave: async (_trx, _scene, result) => ({ progress: { offer: (result as { offer: DiskOffer }).offer } }),
  undo: { command: discard },
}

/** The guest goes down, its disks go over. With this step's end the server is the destination's. */
const send: Step = {
  name: 'send',
  event: 'compute_resize_instance',
  enter: async (trx, scene) => {
    await mark(trx, scene, 'migrating')
    return enterWith(trx, scene, { taskState: 'resize_migrating' })
  },
  command: async (scene) => {
    const { source, migrationId, offer } = moveOf(scene)
    return {
      host: source,
      verb: 'resizeSend',
      params: {
        migrationId,
        offer: offer!,
        ...shutdownLimits(scene),
      },
    }
  },
  leave: async (trx, scene) => {
    await mark(trx, scene, 'post-migrating')
    const { dest } = moveOf(scene)
    return settle(
      trx,
      scene,
      { taskState: 'resize_migrated' },
      { host: dest, powerState: powerState.SHUTDOWN },
    )
  },
  undo: {
    command: async (scene) => {
      const { source, oldVmState, oldFlavor } = moveOf(scene)
      const spec = { ...(await specOf(scene)), flavor: oldFlavor }
      return { host: source, verb: 'resizeReturn', params: { spec, start: oldVmState === 'active' } }
    },
    write: async (trx, scene, result) => {
      const done = result !== undefined
      const { source, oldVmState } = moveOf(scene)
      const power = oldVmState === 'active' ? powerState.RUNNING : powerState.SHUTDOWN
      const change = await settle(trx, scene, {}, { host: source, ...(done ? { powerState: power } : {}) })
      return { ...change, progress: done ? {} : { stuck: 'send' } }
    },
  },
}

const finish: Step = {
  name: 'finish',
  event: 'compute_finish_resize',
  enter: (trx, scene) => enterWith(trx, scene, { taskState: 'resize_finish' }),
  command: async (scene) => {
    const { dest, migrationId, oldVmState } = moveOf(scene)
    const spec = { ...(await specOf(scene)), flavor: newFlavorOf(scene) }
    return {
      host: dest,
      verb: 'resizeFinish',
      params: { spec, migrationId, start: oldVmState === 'active' },
    }
  },
  leave: async (trx, scene, result) => {
    const { powerState: power, machineType, rootDeviceName } = result as SpawnResult
    await mark(trx, scene, 'finished')
    const { oldFlavor } = moveOf(scene)
    return settle(
      trx,
      scene,
      {
        vmState: 'resized',
        taskState: null,
        flavor: newFlavorOf(scene),
        oldFlavor,
        progress: 100,
        launchedAt: scene.context.clock.now(),
      },
      { powerState: power, machineType, rootDeviceName },
    )
  },
  undo: {
    command: discard,
    // A destination that does not answer may run the guest: then it must not run at the source, too.
    barrier: true,
    write: async (_trx, _scene, result) => ({ progress: result !== undefined ? {} : { stuck: 'finish' } }),
  },
}

/**
 * ACTIVE or SHUTOFF → RESIZE → VERIFY_RESIZE: resize_prep → resize_migrating → resize_migrated (the server is the
 * destination's from here on) → resize_finish → RESIZED. A host that cannot take the server gives its place to the
 * next, up to `scheduler.maxAttempts`. When none is left the server is what and where it was before. It is in ERROR
 * only where that could not be brought about: at the source, when that does not answer; at the destination, when that
 * does not, since the guest may run there.
 */
const moving = (name: 'resize' | 'migrate'): ActionDefinition => ({
  name,
  tasks: ['resize_prep', 'resize_migrating', 'resize_migrated', 'resize_finish'],
  steps: [resizeClaim, prepare, send, finish],
  again: (scene, fault) =>
    fault.retry === 'other-host' &&
    requestedHost(scene) === null &&
    movesSoFar(scene).stuck === undefined &&
    attemptOf(scene.action) < scene.context.config.scheduler.maxAttempts,
  failed: (scene) => {
    const { stuck, oldFlavor } = movesSoFar(scene)
    if (stuck === 'finish')
      return { vmState: 'error', flavor: newFlavorOf(scene), oldFlavor: oldFlavor ?? null }
    return { ...(stuck ? { vmState: 'error' as const } : {}), resize: null }
  },
  abandoned: async (trx, scene) => {
    if (movesSoFar(scene).migrationId !== undefined) await mark(trx, scene, 'error')
  },
})

export const resizeAction = moving('resize')
export const migrateAction = moving('migrate')

async function mark(
  trx: Parameters<NonNullable<Step['enter']>>[0],
  scene: ActionScene,
  status: 'migrating' | 'post-migrating' | 'finished' | 'error',
): Promise<void> {
  await updateMigration(trx, movesSoFar(scene).migrationId!, { status }, scene.context.clock.now(), [
    'pre-migrating',
    'migrating',
    'post-migrating',
  ])
}
