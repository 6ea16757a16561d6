import { newUuid } from '../../../base/ids.ts'
import type { Server } from '../../../model/server.ts'
import { insertImage } from '../../../store/images.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { serviceRootUrl } from '../../common/links.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { metadata, name, object } from '../../common/schema-parts.ts'
import { services as allServices } from '../../common/service.ts'
import { beginServerAction } from './begin-server-action.ts'
import { checkMetadataQuota } from './metadata-quota.ts'

interface CreateImageBody {
  name: string
  metadata?: Record<string, string>
}

/** Properties of the image that a server came from which its snapshots do not take over. */
const notInherited = /^(cache_in_nova|bittorrent|img_signature.*|os_hidden|base_image_ref|boot_roles)$/

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
      async (trx, server) => {
        // Until 2.38 the image's metadata counted against the quota.
        if (request.version < 39 && asked.metadata)
          checkMetadataQuota(
            asked.metadata,
            await effectiveQuotas(trx, services.config, request.caller.projectId ?? server.projectId),
          )
        const now = services.clock.now()
        await insertImage(trx, {
          id: imageId,
          name: asked.name,
          status: 'queued',
          owner: request.caller.projectId,
          visibility: 'private',
          protected: false,
          hidden: false,
          containerFormat: 'bare',
          diskFormat: 'qcow2',
          minDiskGiB: Math.max(server.flavor.rootGiB, server.image?.minDiskGiB ?? 0),
          minRamMiB: 0,
          sizeBytes: null,
          virtualSizeBytes: null,
          md5: null,
          sha512: null,
          properties: propertiesOf(server, request, asked.metadata ?? {}),
          tags: [],
          createdAt: now,
          updatedAt: now,
        })
      },
    )
    if (request.version >= 45) return { body: { image_id: imageId } }
    return { headers: { location: imageUrl(services, request, imageId) } }
  },
})

/** Of the image that the server came from, of the server, and of the request, in rising order of precedence. */
function propertiesOf(
  server: Server,
  { caller }: ApiRequest,
  own: Record<string, string>,
): Record<string, string> {
  const inherited = Object.entries(server.image?.properties ?? {}).filter(([key]) => !notInherited.test(key))
  return {
    ...Object.fromEntries(inherited),
    ...(server.image ? { base_image_ref: server.image.id } : {}),
    image_type: 'snapshot',
    instance_uuid: server.id,
    user_id: caller.userId,
    ...(caller.projectId === null ? {} : { owner_id: caller.projectId }),
    ...(caller.roles.length > 0 ? { boot_roles: caller.roles.join(',') } : {}),
    ...own,
  }
}

function imageUrl({ config }: ApiServices, request: ApiRequest, imageId: string): string {
  const host = [request.headers['host']].flat()[0]
  const { image } = allServices
  return `${serviceRootUrl(config, image, host)}/${image.version}/images/${imageId}`
}
