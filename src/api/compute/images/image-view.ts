import { resourceLinks, serviceRootUrl } from '../../common/links.ts'
import type { ApiRequest, ApiServices } from '../../common/route.ts'
import { services as allServices } from '../../common/service.ts'
import { isoTime } from '../../common/time.ts'
import type { ImageRecord, ImageStatus } from '../../../model/image.ts'
import { parseBoolean } from '../parameters.ts'

type View = Record<string, unknown>

const statuses: Record<ImageStatus, string> = {
  queued: 'SAVING',
  saving: 'SAVING',
  active: 'ACTIVE',
  killed: 'ERROR',
  deleted: 'DELETED',
  deactivated: 'UNKNOWN',
}
const progress: Partial<Record<ImageStatus, number>> = { queued: 25, saving: 50, active: 100 }

/** An image in Nova's short form; the third link is the image's in its own service. */
export function imageSummary(image: ImageRecord, services: ApiServices, request: ApiRequest): View {
  const host = [request.headers['host']].flat()[0]
  const root = serviceRootUrl(services.config, allServices.image, host)
  return {
    id: image.id,
    name: image.name,
    links: [
      ...resourceLinks(request, `/images/${image.id}`),
      {
        rel: 'alternate',
        type: 'application/vnd.openstack.image',
        href: `${root}/${allServices.image.version}/images/${image.id}`,
      },
    ],
  }
}

/** An image in Nova's full form. */
export function imageView(image: ImageRecord, services: ApiServices, request: ApiRequest): View {
  const { instance_uuid: serverId, auto_disk_config: diskConfig } = image.properties
  return {
    ...imageSummary(image, services, request),
    status: statuses[image.status],
    progress: progress[image.status] ?? 0,
    minDisk: image.minDiskGiB,
    minRam: image.minRamMiB,
    metadata: image.properties,
    created: isoTime(image.createdAt),
    updated: isoTime(image.updatedAt),
    'OS-EXT-IMG-SIZE:size': image.sizeBytes ?? 0,
    ...(serverId !== undefined && {
      server: { id: serverId, links: resourceLinks(request, `/servers/${serverId}`) },
    }),
    ...(diskConfig !== undefined && {
      'OS-DCF:diskConfig': parseBoolean(diskConfig) === true ? 'AUTO' : 'MANUAL',
    }),
  }
}
