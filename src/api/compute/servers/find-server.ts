import { LodgeError } from '../../../base/errors.ts'
import type { Server } from '../../../model/server.ts'
import { getServer } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest } from '../../common/route.ts'

/**
 * The server that the URL names, if the caller may know of it: of the caller's project, or any for administrators.
 * @throws LodgeError notFound
 */
export async function requireServer(
  db: Db,
  request: Pick<ApiRequest, 'params' | 'caller'>,
  options: { deleted?: boolean } = {},
): Promise<Server> {
  const id = request.params['server_id'] ?? request.params['id'] ?? ''
  const server = await getServer(db, id, options)
  if (!server || !isVisible(server, request.caller)) throw noSuchServer(id)
  return server
}

export const isVisible = (server: Server, caller: ApiRequest['caller']): boolean =>
  caller.isAdmin || server.projectId === caller.projectId

export const noSuchServer = (id: string): LodgeError =>
  new LodgeError('notFound', `Instance ${id.slice(0, 255)} could not be found.`)
