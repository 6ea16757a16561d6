import { LodgeError } from '../../base/errors.ts'
import { requestedResources } from '../../scheduler/requested-resources.ts'
import type { ServerResize } from '../../model/server.ts'
import { powerState } from '../../model/server-state.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { enterWith, settle } from '../server-change.ts'
import type { ActionDefinition, ActionScene, Step } from '../step.ts'
import { back, giveBack } from './resize-claim.ts'

/** A destination that has let go of it after all, or is not to be asked, must not cost the copy at the source. */
const verify: Step = {
  name: 'verify',
  event: null,
  enter: async (trx, scene) => {
    const { migrationId } = resizeOf(scene)
    const entered = await enterWith(trx, scene, {})
    if (entered.kind === 'ok')
      await updateMigration(trx, migrationId, { status: 'confirming' }, scene.context.clock.now(), [
        'finished',
      ])
    return entered
  },
  command: async (scene) => {
    const { sourceHost, destHost } = resizeOf(scene)
    return sourceHost === destHost ? null : { host: destHost, verb: 'resizeVerify', params: {} }
  },
}

/** The source lets go of what it kept. Where it is down its census removes that later. */
const forget: Step = {
  name: 'forget',
  event: 'compute_confirm_resize',
  enter: (trx, scene) => enterWith(trx, scene, {}),
  command: async (scene) => {
    const { sourceHost, destHost } = resizeOf(scene)
    return { host: sourceHost, verb: sourceHost === destHost ? 'resizeForget' : 'destroy', params: {} }
  },
  hostDown: 'skip',
  leave: async (trx, scene) => {
    const { server } = scene
    const { migrationId, sourceHost, destHost } = resizeOf(scene)
    if (sourceHost === destHost) await back(trx, scene, sourceHost, requestedResources(server.flavor))
    else await giveBack(trx, scene, sourceHost)
    await updateMigration(trx, migrationId, { status: 'confirmed' }, scene.context.clock.now())
    const resting = server.powerState === powerState.SHUTDOWN ? 'stopped' : 'active'
    return settle(
      trx,
      scene,
      { taskState: null, ...(server.vmState === 'resized' ? { vmState: resting } : {}) },
      { oldFlavor: null, resize: null },
    )
  },
}

/** VERIFY_RESIZE → ACTIVE, or SHUTOFF for a guest that is off. A failure leaves it to be confirmed again, or taken back. */
export const confirmResizeAction: ActionDefinition = {
  name: 'confirmResize',
  tasks: ['resize_confirming'],
  steps: [verify, forget],
  failed: () => ({}),
  abandoned: async (trx, scene) => {
    const { resize } = scene.server
    if (resize)
      await updateMigration(trx, resize.migrationId, { status: 'finished' }, scene.context.clock.now(), [
        'confirming',
      ])
  },
}

/** @throws LodgeError conflict for a server without a resize */
export function resizeOf({ server }: ActionScene): ServerResize {
  if (!server.resize) throw new LodgeError('conflict', `Server ${server.id} has not been resized.`)
  return server.resize
}
