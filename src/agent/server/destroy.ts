import { removeServer } from './remove-server.ts'
import type { VerbRun } from './verb.ts'

/** Removes all that the host has of a server. The guest is not asked: its disks go with it. */
export const destroy: VerbRun<'destroy'> = async (context, { serverId, params }) => {
  await removeServer(context, serverId, params.returnTo)
  return { result: {}, change: 'remove' }
}
