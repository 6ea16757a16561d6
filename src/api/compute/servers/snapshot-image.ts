import type { Server } from '../../../model/server.ts'
import { insertImage } from '../../../store/images.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import type { Db } from '../../../store/store.ts'
import { serviceRootUrl } from '../../common/links.ts'
import type { ApiReply, ApiRequest, ApiServices } from '../../common/route.ts'
import { services as allServices } from '../../common/service.ts'
import { checkMetadataQuota } from './metadata-quota.ts'

export interface SnapshotImage {
  imageId: string
  name: string
  /** What the request says of it. */
  metadata?: Record<string, string>
  /** What kind of image it is. */
  properties: Record<string, string>
}

/**
 * Makes the record of an image that a snapshot of the server is to fill.
 * @throws LodgeError forbidden for more metadata than the quota allows, which counted until 2.38
 */
export async function queueSnapshotImage(
  services: ApiServices,
  trx: Db,
  request: ApiRequest,
  server: Server,
  { imageId, name, metadata = {}, properties }: SnapshotImage,
): Promise<void> {
  const { clock, config } = services
  if (request.version < 39)
    checkMetadataQuota(
      metadata,
      await effectiveQuotas(trx, config, request.caller.projectId ?? server.projectId),
    )
  const now = clock.now()
  await insertImage(trx, {
    id: imageId,
    name,
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
    properties: {
      ...inheritedProperties(server),
      ...ownProperties(server, request),
      ...properties,
      ...metadata,
    },
    tags: [],
    createdAt: now,
    updatedAt: now,
  })
}

/** Nova's answers to a request for a snapshot. */
export function snapshotAnswer(services: ApiServices, request: ApiRequest, imageId: string): ApiReply {
  if (request.version >= 45) return { body: { image_id: imageId } }
  const host = [request.headers['host']].flat()[0]
  const { image } = allServices
  const root = serviceRootUrl(services.config, image, host)
  return { headers: { location: `${root}/${image.version}/images/${imageId}` } }
}

/** Properties of the image that a server came from which its snapshots do not take over. */
const notInherited = /^(cache_in_nova|bittorrent|img_signature.*|os_hidden|base_image_ref|boot_roles)$/

const inheritedProperties = ({ image }: Server): Record<string, string> =>
  Object.fromEntries(Object.entries(image?.properties ?? {}).filter(([key]) => !notInherited.test(key)))

const ownProperties = ({ id, image }: Server, { caller }: ApiRequest): Record<string, string> => ({
  ...(image ? { base_image_ref: image.id } : {}),
  instance_uuid: id,
  user_id: caller.userId,
  ...(caller.projectId === null ? {} : { owner_id: caller.projectId }),
  ...(caller.roles.length > 0 ? { boot_roles: caller.roles.join(',') } : {}),
})
