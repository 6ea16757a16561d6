import { LodgeError } from '../../../base/errors.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { updateServer } from '../../../store/servers.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { metadata, wrapped } from '../../common/schema-parts.ts'
import { emptyQuery } from '../parameters.ts'
import { requireServer } from './find-server.ts'
import { checkAllowed } from './guard.ts'
import { checkMetadataQuota } from './metadata-quota.ts'

type Metadata = Record<string, string>

const whole = [{ schema: wrapped('metadata', metadata) }]
const item = [{ schema: wrapped('meta', { ...metadata, minProperties: 1, maxProperties: 1 }) }]

/** Key and value pairs that people hang on servers. */
export const metadataRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/servers/:server_id/metadata',
    policy: 'server-metadata:index',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Lists a server’s metadata',
    handler: async (request) => {
      const server = await requireServer(services.store.db, request)
      return { body: { metadata: server.metadata } }
    },
  },
  {
    method: 'POST',
    path: '/servers/:server_id/metadata',
    policy: 'server-metadata:create',
    role: 'member',
    success: 200,
    body: whole,
    summary: 'Adds metadata, overwriting what has the same keys',
    handler: async (request) => {
      const { metadata: sent } = request.body as { metadata: Metadata }
      return { body: { metadata: await change(services, request, (old) => ({ ...old, ...sent })) } }
    },
  },
  {
    method: 'PUT',
    path: '/servers/:server_id/metadata',
    policy: 'server-metadata:update_all',
    role: 'member',
    success: 200,
    body: whole,
    summary: 'Replaces all metadata',
    handler: async (request) => {
      const { metadata: sent } = request.body as { metadata: Metadata }
      return { body: { metadata: await change(services, request, () => sent) } }
    },
  },
  {
    method: 'GET',
    path: '/servers/:server_id/metadata/:key',
    policy: 'server-metadata:show',
    role: 'reader',
    success: 200,
    query: emptyQuery,
    summary: 'Shows one item of the metadata',
    handler: async (request) => {
      const server = await requireServer(services.store.db, request)
      const key = keyIn(server.metadata, request)
      return { body: { meta: { [key]: server.metadata[key] } } }
    },
  },
  {
    method: 'PUT',
    path: '/servers/:server_id/metadata/:key',
    policy: 'server-metadata:update',
    role: 'member',
    success: 200,
    body: item,
    summary: 'Sets one item of the metadata',
    handler: async (request) => {
      const { meta } = request.body as { meta: Metadata }
      if (!Object.hasOwn(meta, request.params['key'] ?? ''))
        throw new LodgeError('badRequest', 'Request body and URI mismatch')
      await change(services, request, (old) => ({ ...old, ...meta }))
      return { body: { meta } }
    },
  },
  {
    method: 'DELETE',
    path: '/servers/:server_id/metadata/:key',
    policy: 'server-metadata:delete',
    role: 'member',
    success: 204,
    summary: 'Removes one item of the metadata',
    handler: async (request) => {
      await change(services, request, (old) => {
        const key = keyIn(old, request)
        return Object.fromEntries(Object.entries(old).filter(([other]) => other !== key))
      })
      return {}
    },
  },
]

async function change(
  services: ApiServices,
  request: ApiRequest,
  to: (old: Metadata) => Metadata,
): Promise<Metadata> {
  return await services.store.transaction(async (trx) => {
    const server = await requireServer(trx, request)
    const changed = to(server.metadata)
    checkAllowed(server, 'metadata', request.caller)
    if (Object.keys(changed).length > Object.keys(server.metadata).length)
      checkMetadataQuota(changed, await effectiveQuotas(trx, services.config, server.projectId))
    await updateServer(trx, server.id, { metadata: changed }, services.clock.now())
    return changed
  })
}

function keyIn(items: Metadata, request: ApiRequest): string {
  const key = request.params['key'] ?? ''
  if (!Object.hasOwn(items, key)) throw new LodgeError('notFound', 'Metadata item was not found')
  return key
}
