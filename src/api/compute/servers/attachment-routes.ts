import { LodgeError } from '../../../base/errors.ts'
import type { ApiReply, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery, queryPart, querySchemas } from '../parameters.ts'
import { requireServer } from './find-server.ts'

/** What hangs on a server from other services: with no networks and no volumes yet, lists that are empty. */
export const attachmentRoutes = (services: ApiServices): Route[] => {
  const list = (path: string, policy: string, summary: string, body: object): Route => ({
    method: 'GET',
    path: `/servers/:server_id/${path}`,
    policy,
    role: 'reader',
    success: 200,
    query: path === 'os-volume_attachments' ? pagedQuery : emptyQuery,
    summary,
    handler: async (request): Promise<ApiReply> => {
      await requireServer(services.store.db, request)
      return { body }
    },
  })
  return [
    list('ips', 'ips:index', 'Lists addresses by network', { addresses: {} }),
    {
      ...list('ips/:network', 'ips:show', 'Lists the addresses on one network', {}),
      handler: async (request) => {
        await requireServer(services.store.db, request)
        throw new LodgeError('notFound', 'Instance is not a member of specified network')
      },
    },
    list('os-interface', 'os-attach-interfaces:list', 'Lists attached ports', { interfaceAttachments: [] }),
    list('os-security-groups', 'os-security-groups:list', 'Lists security groups', { security_groups: [] }),
    list('os-volume_attachments', 'os-volumes-attachments:index', 'Lists attached volumes', {
      volumeAttachments: [],
    }),
  ]
}

const pagedQuery = querySchemas({ limit: queryPart.limit, offset: queryPart.limit }, 75)
