import type { ActionParams } from '../../model/action.ts'
import { deleteImage, listImages } from '../../store/images.ts'
import type { Db } from '../../store/store.ts'
import { hostOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Step } from '../step.ts'
import { guestStep } from './guest-step.ts'
import { dropUnfilledImage } from './snapshot-image.ts'

const paramsOf = (scene: ActionScene): ActionParams['createBackup'] =>
  scene.action.params as unknown as ActionParams['createBackup']

const snapshot: Step = guestStep({
  name: 'snapshot',
  event: 'compute_backup_instance',
  command: async (scene) => ({
    host: hostOf(scene),
    verb: 'snapshot',
    params: { imageId: paramsOf(scene).imageId, diskFormat: 'qcow2' },
  }),
})

/** As createImage, and then deletes the backups of the same type that are too many, oldest first. */
export const createBackupAction: ActionDefinition = {
  name: 'createBackup',
  tasks: ['image_backup'],
  steps: [
    {
      ...snapshot,
      leave: async (trx, scene, result) => {
        await rotate(trx, scene)
        return snapshot.leave!(trx, scene, result)
      },
    },
  ],
  failed: () => ({}),
  abandoned: (trx, scene) => dropUnfilledImage(trx, paramsOf(scene).imageId),
}

/** More than anyone has; what is beyond goes with the next backup. */
const mostBackups = 1000

async function rotate(trx: Db, scene: ActionScene): Promise<void> {
  const { backupType, rotation } = paramsOf(scene)
  const backups = await listImages(
    trx,
    {
      statuses: ['active'],
      properties: { image_type: 'backup', backup_type: backupType, instance_uuid: scene.server.id },
    },
    { limit: mostBackups, sort: [{ key: 'created_at', direction: 'desc' }] },
  )
  // A record without data is swept up by whoever keeps the data.
  for (const image of backups.slice(rotation)) if (!image.protected) await deleteImage(trx, image.id)
}
