import type { Server } from '../../../model/server.ts'
import { recordAction } from '../../../store/actions.ts'
import { updateServer, type ServerPatch } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import { denied } from '../../common/policy.ts'
import type { ApiRequest, ApiServices, Caller, Route } from '../../common/route.ts'
import { anything } from '../../common/schema-parts.ts'
import { requireServer } from './find-server.ts'

/** Lock and unlock. Who locks a server of the own project is its owner, whatever the role; others lock as `admin`. */
export const lockRoutes = (services: ApiServices): Route[] => [
  {
    method: 'POST',
    path: '/servers/:id/action',
    action: 'lock',
    policy: 'os-lock-server:lock',
    role: 'member',
    success: 202,
    body: [
      { max: 72, schema: anything },
      {
        min: 73,
        schema: {
          type: ['object', 'null'],
          properties: { locked_reason: { type: 'string', minLength: 1, maxLength: 255 } },
          additionalProperties: false,
        },
      },
    ],
    summary: 'Locks a server against changes by non-administrators',
    handler: async (request) => {
      const reason =
        request.version < 73 ? null : (request.body as { locked_reason?: string } | null)?.locked_reason
      await services.store.transaction(async (trx) => {
        const server = await requireServer(trx, request)
        const as = lockerOf(server, request.caller)
        if (server.lockedBy !== null && as === 'owner') return
        await change(services, trx, request, server, 'lock', { lockedBy: as, lockedReason: reason ?? null })
      })
      return {}
    },
  },
  {
    method: 'POST',
    path: '/servers/:id/action',
    action: 'unlock',
    policy: 'os-lock-server:unlock',
    role: 'member',
    success: 202,
    body: [{ max: 72, schema: anything }],
    summary: 'Unlocks a server',
    handler: async (request) => {
      await services.store.transaction(async (trx) => {
        const server = await requireServer(trx, request)
        const isOthers = server.lockedBy !== null && server.lockedBy !== lockerOf(server, request.caller)
        if (isOthers && !request.caller.isAdmin) throw denied('os-lock-server:unlock:unlock_override')
        await change(services, trx, request, server, 'unlock', { lockedBy: null, lockedReason: null })
      })
      return {}
    },
  },
]

const lockerOf = (server: Server, caller: Caller): 'owner' | 'admin' =>
  server.projectId === caller.projectId ? 'owner' : 'admin'

async function change(
  services: ApiServices,
  trx: Db,
  request: ApiRequest,
  server: Server,
  name: 'lock' | 'unlock',
  patch: ServerPatch,
): Promise<void> {
  const now = services.clock.now()
  await updateServer(trx, server.id, patch, now)
  await recordAction(trx, {
    serverId: server.id,
    name,
    requestId: request.requestId,
    projectId: request.caller.projectId ?? server.projectId,
    userId: request.caller.userId,
    params: {},
    now,
    event: `api_${name}`,
  })
}
