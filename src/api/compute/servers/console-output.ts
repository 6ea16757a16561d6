import { LodgeError } from '../../../base/errors.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { object } from '../../common/schema-parts.ts'
import { requireServer } from './find-server.ts'

export const consoleOutputRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'os-getConsoleOutput',
  policy: 'os-console-output',
  role: 'member',
  success: 200,
  body: [
    {
      schema: object({
        length: { type: ['integer', 'string', 'null'], pattern: '^-?[0-9]+$', minimum: -1 },
      }),
    },
  ],
  summary: 'Shows the last lines of the guest’s serial console',
  handler: async (request) => {
    const server = await requireServer(services.store.db, request)
    if (server.host === null) throw new LodgeError('conflict', `Instance ${server.id} is not ready`)
    const { length } = request.body as { length?: number | string | null }
    // -1 is the old way to ask for all of it.
    const lines = length == null || Number(length) === -1 ? null : Number(length)
    const { output } = await services.ask<'consoleOutput'>({
      version: 1,
      host: server.host,
      name: 'consoleOutput',
      params: { serverId: server.id, length: lines },
    })
    return { body: { output } }
  },
})
