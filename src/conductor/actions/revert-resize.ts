import type { ServerResult } from '../../contract/command.ts'
import { requestedResources } from '../../scheduler/requested-resources.ts'
import { powerState } from '../../model/server-state.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { enterWith, settle } from '../server-change.ts'
import { specOf } from '../spec-of.ts'
import type { ActionDefinition, Step } from '../step.ts'
import { resizeOf } from './confirm-resize.ts'
import { back, giveBack } from './resize-claim.ts'

/** What had come to the destination goes, with its guest; the server is the source's again, in its old size. */
const discard: Step = {
  name: 'discard',
  event: 'compute_revert_resize',
  enter: async (trx, scene) => {
    const { migrationId } = resizeOf(scene)
    const entered = await enterWith(trx, scene, {})
    if (entered.kind === 'ok')
      await updateMigration(trx, migrationId, { status: 'reverting' }, scene.context.clock.now(), [
        'finished',
      ])
    return entered
  },
  command: async (scene) => {
    const { destHost, migrationId } = resizeOf(scene)
    return { host: destHost, verb: 'resizeDiscard', params: { migrationId } }
  },
  leave: async (trx, scene) => {
    const { server } = scene
    const { sourceHost, destHost } = resizeOf(scene)
    const flavor = server.oldFlavor ?? server.flavor
    if (sourceHost === destHost) await back(trx, scene, sourceHost, requestedResources(flavor))
    else await giveBack(trx, scene, destHost)
    const change = await settle(trx, scene, {}, { host: sourceHost, flavor, powerState: powerState.SHUTDOWN })
    return { ...change, progress: { discarded: true } }
  },
}

const comeBack: Step = {
  name: 'come-back',
  event: 'compute_finish_revert_resize',
  enter: (trx, scene) => enterWith(trx, scene, {}),
  command: async (scene) => {
    const { sourceHost, oldVmState } = resizeOf(scene)
    const { vmState } = scene.server
    const start = (vmState === 'resized' ? oldVmState : vmState) === 'active'
    return { host: sourceHost, verb: 'resizeReturn', params: { spec: await specOf(scene), start } }
  },
  leave: async (trx, scene, result) => {
    const { migrationId, oldVmState } = resizeOf(scene)
    const { server, context } = scene
    const now = context.clock.now()
    await updateMigration(trx, migrationId, { status: 'reverted' }, now)
    return settle(
      trx,
      scene,
      {
        taskState: null,
        launchedAt: now,
        ...(server.vmState === 'resized' ? { vmState: oldVmState } : {}),
      },
      { powerState: (result as ServerResult).powerState, oldFlavor: null, resize: null },
    )
  },
}

/**
 * REVERT_RESIZE → what the server was before. While the destination does not answer it stays VERIFY_RESIZE, since the
 * guest may run there. Once that is gone a source that cannot start the guest leaves it in ERROR, on the source with
 * its disks.
 */
export const revertResizeAction: ActionDefinition = {
  name: 'revertResize',
  tasks: ['resize_reverting'],
  steps: [discard, comeBack],
  failed: ({ action }) =>
    action.progress['discarded'] ? { vmState: 'error', resize: null, oldFlavor: null } : {},
  abandoned: async (trx, { server, action, context }) => {
    if (!server.resize) return
    const status = action.progress['discarded'] ? 'error' : 'finished'
    await updateMigration(trx, server.resize.migrationId, { status }, context.clock.now(), ['reverting'])
  },
}
