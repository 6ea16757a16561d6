import { newUuid } from '../../../base/ids.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { anyString, metadata, name, nonNegativeInteger, object } from '../../common/schema-parts.ts'
import { beginServerAction } from './begin-server-action.ts'
import { queueSnapshotImage, snapshotAnswer } from './snapshot-image.ts'

interface CreateBackupBody {
  name: string
  backup_type: string
  rotation: number | string
  metadata?: Record<string, string>
}

/** An image of the server, of which only the newest few of a type are kept. With a rotation of 0 none is. */
export const createBackupRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'createBackup',
  policy: 'os-create-backup',
  role: 'member',
  success: 202,
  body: [
    {
      schema: object(
        { name, backup_type: anyString, rotation: nonNegativeInteger, metadata },
        { required: ['name', 'backup_type', 'rotation'] },
      ),
    },
  ],
  summary: 'Makes an image of a server’s root disk, and deletes older ones of the same type',
  handler: async (request) => {
    const asked = request.body as CreateBackupBody
    const { backup_type: backupType } = asked
    const rotation = Number(asked.rotation)
    const imageId = newUuid()
    await beginServerAction(
      services,
      request,
      {
        name: 'createBackup',
        guard: 'createBackup',
        patch: { taskState: 'image_backup' },
        params: { imageId, backupType, rotation },
      },
      (trx, server) =>
        queueSnapshotImage(services, trx, request, server, {
          imageId,
          ...asked,
          properties: { image_type: 'backup', backup_type: backupType },
        }),
    )
    return rotation === 0 && request.version < 45 ? {} : snapshotAnswer(services, request, imageId)
  },
})
