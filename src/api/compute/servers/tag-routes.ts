import { LodgeError } from '../../../base/errors.ts'
import type { Server } from '../../../model/server.ts'
import { addServerTag, getServerTags, removeServerTag, setServerTags } from '../../../store/server-tags.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { wrapped } from '../../common/schema-parts.ts'
import { tag } from './server-schema-parts.ts'
import { requireServer } from './find-server.ts'

const maxTags = 50

/** Tags: short labels to find servers by. They came with 2.26. */
export const tagRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/servers/:server_id/tags',
    min: 26,
    policy: 'os-server-tags:index',
    role: 'reader',
    success: 200,
    summary: 'Lists a server’s tags',
    handler: async (request) => {
      const server = await requireServer(services.store.db, request)
      return { body: { tags: await getServerTags(services.store.db, server.id) } }
    },
  },
  {
    method: 'PUT',
    path: '/servers/:server_id/tags',
    min: 26,
    policy: 'os-server-tags:update_all',
    role: 'member',
    success: 200,
    body: [{ schema: wrapped('tags', { type: 'array', items: tag, maxItems: maxTags }) }],
    summary: 'Replaces all tags',
    handler: async (request) => {
      const { tags } = request.body as { tags: string[] }
      return {
        body: {
          tags: await onServer(services, request, async (trx, server) => {
            await setServerTags(trx, server.id, tags)
            return await getServerTags(trx, server.id)
          }),
        },
      }
    },
  },
  {
    method: 'DELETE',
    path: '/servers/:server_id/tags',
    min: 26,
    policy: 'os-server-tags:delete_all',
    role: 'member',
    success: 204,
    summary: 'Removes all tags',
    handler: async (request) => {
      await onServer(services, request, (trx, server) => setServerTags(trx, server.id, []))
      return {}
    },
  },
  {
    method: 'GET',
    path: '/servers/:server_id/tags/:tag',
    min: 26,
    policy: 'os-server-tags:show',
    role: 'reader',
    success: 204,
    summary: 'Tells whether a server has a tag',
    handler: async (request) => {
      const server = await requireServer(services.store.db, request)
      const tags = await getServerTags(services.store.db, server.id)
      if (!tags.includes(request.params['tag'] ?? '')) throw noSuchTag(server, request)
      return {}
    },
  },
  {
    method: 'PUT',
    path: '/servers/:server_id/tags/:tag',
    min: 26,
    policy: 'os-server-tags:update',
    role: 'member',
    success: 201,
    body: [{ schema: { type: 'null' } }],
    summary: 'Adds a tag: 201 when it is new, 204 when it was there',
    handler: async (request) => {
      const text = tagOf(request)
      return await onServer(services, request, async (trx, server) => {
        const tags = await getServerTags(trx, server.id)
        if (tags.includes(text)) return { status: 204 }
        if (tags.length >= maxTags)
          throw new LodgeError('badRequest', `The number of tags exceeded the per-server limit ${maxTags}`)
        await addServerTag(trx, server.id, text)
        const path = `/servers/${server.id}/tags/${encodeURIComponent(text)}`
        return { headers: { location: request.links.versioned + path } }
      })
    },
  },
  {
    method: 'DELETE',
    path: '/servers/:server_id/tags/:tag',
    min: 26,
    policy: 'os-server-tags:delete',
    role: 'member',
    success: 204,
    summary: 'Removes a tag',
    handler: async (request) => {
      await onServer(services, request, async (trx, server) => {
        if (!(await removeServerTag(trx, server.id, request.params['tag'] ?? '')))
          throw noSuchTag(server, request)
      })
      return {}
    },
  },
]

async function onServer<T>(
  services: ApiServices,
  request: ApiRequest,
  work: (trx: Db, server: Server) => Promise<T>,
): Promise<T> {
  return await services.store.transaction(async (trx) => await work(trx, await requireServer(trx, request)))
}

/** A tag from the URL, which no schema has checked. */
function tagOf(request: ApiRequest): string {
  const text = request.params['tag'] ?? ''
  if (text === '' || text.length > 60 || /[,/]/.test(text))
    throw new LodgeError(
      'badRequest',
      `Tag '${text.slice(0, 60)}' is invalid: 1 to 60 characters without , and /`,
    )
  return text
}

const noSuchTag = (server: Server, request: ApiRequest): LodgeError =>
  new LodgeError('notFound', `Server ${server.id} has no tag '${request.params['tag']?.slice(0, 60)}'`)
