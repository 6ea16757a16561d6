import { newUuid } from '../../../base/ids.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { metadata, name, object } from '../../common/schema-parts.ts'
import { beginServerAction } from './begin-server-action.ts'
import { queueSnapshotImage, snapshotAnswer } from './snapshot-image.ts'

interface CreateImageBody {
  name: string
  metadata?: Record<string, string>
}

/** The image's record is there, queued, when this answers; the snapshot fills it, or it goes when that fails. */
export const createImageRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'createImage',
  policy: 'servers:create_image',
  role: 'member',
  success: 202,
  body: [{ schema: object({ name, metadata }, { required: ['name'] }) }],
  summary: 'Makes an image of a server’s root disk',
  handler: async (request) => {
    const asked = request.body as CreateImageBody
    const imageId = newUuid()
    await beginServerAction(
      services,
      request,
      {
        name: 'createImage',
        guard: 'createImage',
        patch: { taskState: 'image_snapshot_pending' },
        params: { imageId, diskFormat: 'qcow2' },
      },
      (trx, server) =>
        queueSnapshotImage(services, trx, request, server, {
          imageId,
          ...asked,
          properties: { image_type: 'snapshot' },
        }),
    )
    return snapshotAnswer(services, request, imageId)
  },
})
