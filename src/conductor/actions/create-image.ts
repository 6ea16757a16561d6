import type { ActionParams } from '../../model/action.ts'
import { hostOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene } from '../step.ts'
import { guestStep } from './guest-step.ts'
import { dropUnfilledImage } from './snapshot-image.ts'

/**
 * Copies the root disk into the image that the API made (queued). The server keeps its state; the image becomes
 * active with its data, and is deleted when that does not come about.
 */
export const createImageAction: ActionDefinition = {
  name: 'createImage',
  tasks: ['image_snapshot_pending', 'image_snapshot', 'image_pending_upload', 'image_uploading'],
  steps: [
    guestStep({
      name: 'snapshot',
      event: 'compute_snapshot_instance',
      during: () => ({ taskState: 'image_snapshot' }),
      command: async (scene) => ({
        host: hostOf(scene),
        verb: 'snapshot',
        params: { imageId: paramsOf(scene).imageId, diskFormat: paramsOf(scene).diskFormat ?? 'qcow2' },
      }),
    }),
  ],
  failed: () => ({}),
  abandoned: (trx, scene) => dropUnfilledImage(trx, paramsOf(scene).imageId),
}

const paramsOf = (scene: ActionScene): ActionParams['createImage'] =>
  scene.action.params as ActionParams['createImage']
