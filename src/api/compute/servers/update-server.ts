import type { Config } from '../../../base/config.ts'
import { LodgeError } from '../../../base/errors.ts'
import type { Server } from '../../../model/server.ts'
import { updateServer, type ServerPatch } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { description, ipv4, ipv6, name, object, wrapped } from '../../common/schema-parts.ts'
import { hostZones } from '../services/service-state.ts'
import { canonicalIpv6 } from './canonical-ipv6.ts'
import { diskConfig, hostnameAt } from './server-schema-parts.ts'
import { requireServer } from './find-server.ts'
import { checkAllowed } from './guard.ts'
import { viewServers } from './surroundings.ts'

interface UpdateBody {
  server: {
    name?: string
    description?: string | null
    hostname?: string
    accessIPv4?: string
    accessIPv6?: string
    'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL'
    pinned_availability_zone?: string | null
  }
}

const bodyAt = (version: number): Record<string, unknown> =>
  wrapped(
    'server',
    object({
      name,
      accessIPv4: ipv4,
      accessIPv6: ipv6,
      'OS-DCF:diskConfig': diskConfig,
      ...(version >= 19 ? { description } : {}),
      ...(version >= 90 ? { hostname: hostnameAt(version) } : {}),
      ...(version >= 104
        ? { pinned_availability_zone: { type: ['string', 'null'], minLength: 1, maxLength: 255 } }
        : {}),
    }),
  )

const bodies: VersionedSchema[] = [
  { max: 18, schema: bodyAt(1) },
  { min: 19, max: 89, schema: bodyAt(19) },
  { min: 90, max: 93, schema: bodyAt(90) },
  { min: 94, max: 103, schema: bodyAt(94) },
  { min: 104, schema: bodyAt(104) },
]

/** Changes what is only said of a server, not the guest: at any state, locked or not. */
export const updateServerRoute = (services: ApiServices): Route => ({
  method: 'PUT',
  path: '/servers/:id',
  policy: 'servers:update',
  role: 'member',
  success: 200,
  body: bodies,
  summary: 'Updates a server’s name, description, host name, access addresses',
  handler: async (request) => {
    const { server: asked } = request.body as UpdateBody
    const updated = await services.store.transaction(async (trx) => {
      const server = await requireServer(trx, request)
      checkAllowed(server, 'update', request.caller)
      const zone = await zoneOfServer(trx, services.config, server)
      const patch: ServerPatch = {
        name: asked.name,
        description: asked.description,
        hostname: asked.hostname,
        accessIpv4: asked.accessIPv4,
        accessIpv6: asked.accessIPv6 === undefined ? undefined : canonicalIpv6(asked.accessIPv6),
        diskConfig: asked['OS-DCF:diskConfig'],
        availabilityZone: pinnedZone(asked.pinned_availability_zone, zone),
      }
      await updateServer(trx, server.id, patch, services.clock.now())
      return await requireServer(trx, request)
    })
    const [view] = await viewServers(services, services.store.db, [updated], request, 'update')
    return { body: { server: view } }
  },
})

async function zoneOfServer(trx: Db, { hosts }: Config, { host }: Server): Promise<string | null> {
  return host === null ? null : (await hostZones(trx, hosts, [host]))(host)
}

/** null unpins, the zone where the server is pins it again, and no other will do. */
function pinnedZone(asked: string | null | undefined, current: string | null): string | null | undefined {
  if (asked == null || asked === current) return asked
  throw new LodgeError(
    'conflict',
    `The server can only be pinned to the availability zone it is in${current === null ? '' : `, ${current}`}.`,
  )
}
