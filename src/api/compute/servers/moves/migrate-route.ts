import { LodgeError } from '../../../../base/errors.ts'
import { denied } from '../../../common/policy.ts'
import type { ApiServices, Route } from '../../../common/route.ts'
import { object } from '../../../common/schema-parts.ts'
import { beginServerAction } from '../begin-server-action.ts'
import { namedHost, needSourceUp } from './check-source.ts'

/** A host's name in requests that move servers. */
export const hostNameSchema = { minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' }

/** Cold migration: to a host of the scheduler's choice or, from 2.56 on, to a named one. */
export const migrateRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'migrate',
  policy: 'os-migrate-server:migrate',
  role: 'manager',
  success: 202,
  body: [
    {
      min: 56,
      schema: {
        ...object({ host: { type: ['string', 'null'], ...hostNameSchema } }),
        type: ['object', 'null'],
      },
    },
  ],
  summary: 'Moves a server to another host with its guest shut down for the time',
  handler: async (request) => {
    const asked = request.version >= 56 ? (request.body as { host?: string | null } | null) : null
    if (asked?.host != null && !request.caller.isAdmin) throw denied('os-migrate-server:migrate:host')
    const host = asked?.host == null ? null : await namedHost(services.store.db, asked.host, 'badRequest')
    await beginServerAction(
      services,
      request,
      {
        name: 'migrate',
        guard: 'migrate',
        patch: { taskState: 'resize_prep', progress: 0 },
        params: { host },
      },
      async (trx, server) => {
        if (host !== null && host === server.host)
          throw new LodgeError('badRequest', 'Cannot migrate to the host where the server exists.')
        await needSourceUp(services, trx, server)
      },
    )
    return {}
  },
})
