import { randomInt } from 'node:crypto'
import { LodgeError } from '../../../base/errors.ts'
import { newSecret, newUuid } from '../../../base/ids.ts'
import { actionDeadline } from '../../../model/action.ts'
import { serverFlavorOf, type Flavor } from '../../../model/flavor.ts'
import type { ServerKey } from '../../../model/server.ts'
import type { ServerImage } from '../../../model/server-spec.ts'
import { beginAction } from '../../../store/actions.ts'
import { getFlavor } from '../../../store/flavors.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { addGroupMember } from '../../../store/server-groups.ts'
import { setServerTags } from '../../../store/server-tags.ts'
import { insertServer } from '../../../store/servers.ts'
import type { Db } from '../../../store/store.ts'
import { resourceLinks } from '../../common/links.ts'
import type { ApiReply, ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { isTrue } from '../../common/schema-parts.ts'
import { allowedServerCount } from '../quotas/check-server-quota.ts'
import { passwordLength } from './admin-password.ts'
import { canonicalIpv6 } from './canonical-ipv6.ts'
import { bootImage, configDriveUnsupported } from './boot-image.ts'
import { createSchemas, type CreateBody } from './create-schema.ts'
import { groupToJoin } from './join-group.ts'
import { checkMetadataQuota } from './metadata-quota.ts'
import { requestedPlacement, type RequestedPlacement } from './requested-placement.ts'
import { serverKeyOf } from './server-key.ts'
import { hostnameFor, serverName } from './server-names.ts'

/** Of one request, where no quota says less: all of them are written in one transaction, which others wait for. */
const mostServers = 1000

/** Creates one server or several; when it answers 202, servers and actions are on disk. */
export const createServerRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers',
  policy: 'servers:create',
  role: 'member',
  success: 202,
  body: createSchemas,
  summary: 'Creates one or more servers',
  handler: async (request) => {
    const body = request.body as CreateBody
    refuseUnsupported(body)
    const { db } = services.store
    const flavor = await flavorOf(db, body.server.flavorRef, request)
    const plan: Plan = {
      body,
      flavor,
      image: await bootImage(db, body.server, flavor, request.caller),
      key: body.server.key_name === undefined ? null : await serverKeyOf(db, body.server.key_name, request),
      placement: await requestedPlacement(db, services.config, body.server, request.caller),
      reservationId: newReservationId(),
      ...countsOf(body.server),
    }
    const [first] = await services.store.transaction((trx) => writeServers(services, trx, request, plan))
    services.wake()
    return answer(services, request, plan, first!)
  },
})

interface Plan {
  body: CreateBody
  flavor: Flavor
  image: ServerImage
  key: ServerKey | null
  placement: RequestedPlacement
  reservationId: string
  minCount: number
  maxCount: number
}

/** Writes as many servers as the quota allows, each with its action; returns their ids. */
async function writeServers(
  services: ApiServices,
  trx: Db,
  request: ApiRequest,
  plan: Plan,
): Promise<string[]> {
  const { config, clock } = services
  const { body, flavor, placement } = plan
  const { server: asked } = body
  const { userId } = request.caller
  const projectId = request.caller.projectId!
  const metadata = asked.metadata ?? {}
  if (Object.keys(metadata).length > 0)
    checkMetadataQuota(metadata, await effectiveQuotas(trx, config, projectId))
  const count = await allowedServerCount(trx, config, {
    projectId,
    userId,
    minCount: plan.minCount,
    maxCount: plan.maxCount,
    vcpus: flavor.vcpus,
    memoryMiB: flavor.memoryMiB,
  })
  const hints = hintsOf(body)
  const group = await groupToJoin(trx, config, hints, { caller: request.caller, count })
  const now = clock.now()
  const ids: string[] = []
  for (let index = 0; index < count; index++) {
    const id = newUuid()
    const name = serverName(asked.name, plan.maxCount, index)
    await insertServer(trx, {
      id,
      projectId,
      userId,
      name,
      description: request.version < 19 ? name : (asked.description ?? null),
      hostname:
        asked.hostname === undefined
          ? hostnameFor(name, id)
          : serverName(asked.hostname, plan.maxCount, index),
      availabilityZone: placement.availabilityZone,
      flavor: serverFlavorOf(flavor),
      image: plan.image,
      key: plan.key,
      userData: asked.user_data ?? null,
      configDrive: false,
      metadata,
      schedulerHints: hints,
      diskConfig: asked['OS-DCF:diskConfig'] ?? 'MANUAL',
      accessIpv4: asked.accessIPv4 ?? null,
      accessIpv6: asked.accessIPv6 === undefined ? null : canonicalIpv6(asked.accessIPv6),
      reservationId: plan.reservationId,
      launchIndex: index,
      createdAt: now,
    })
    if (group) await addGroupMember(trx, group.id, id)
    if (asked.tags && asked.tags.length > 0) await setServerTags(trx, id, asked.tags)
    await beginAction(trx, {
      serverId: id,
      name: 'create',
      requestId: request.requestId,
      projectId,
      userId,
      params: { forcedHost: placement.forcedHost, requestedHost: placement.requestedHost },
      now,
      deadline: actionDeadline('create', now, config.conductor),
    })
    ids.push(id)
  }
  return ids
}

function answer(services: ApiServices, request: ApiRequest, plan: Plan, id: string): ApiReply {
  const { server: asked } = plan.body
  const links = resourceLinks(request, `/servers/${id}`)
  const headers = { location: links[0]!.href }
  if (isTrue(asked.return_reservation_id)) return { headers, body: { reservation_id: plan.reservationId } }
  const groups = asked.security_groups?.map(({ name }) => ({ name })) ?? []
  return {
    headers,
    body: {
      server: {
        id,
        links,
        'OS-DCF:diskConfig': asked['OS-DCF:diskConfig'] ?? 'MANUAL',
        security_groups: groups.length > 0 ? groups : [{ name: 'default' }],
        ...(services.config.api.enableServerPassword
          ? { adminPass: asked.adminPass ?? newSecret(passwordLength) }
          : {}),
      },
    },
  }
}

/** Asked-for things that Lodge does not have yet are refused rather than left out in silence. */
function refuseUnsupported({ server: asked }: CreateBody): void {
  if (Array.isArray(asked.networks) && asked.networks.length > 0)
    throw new LodgeError('badRequest', 'There are no networks yet: create the server with networks "none".')
  if (isTrue(asked.config_drive)) throw configDriveUnsupported()
  if ((asked.personality?.length ?? 0) > 0)
    throw new LodgeError('badRequest', 'File injection (personality) is not supported: use user_data.')
  if (asked.trusted_image_certificates != null)
    throw new LodgeError('badRequest', 'Certificates of image signatures are not supported.')
}

function countsOf(asked: CreateBody['server']): { minCount: number; maxCount: number } {
  const minCount = Number(asked.min_count ?? 1)
  const maxCount = Number(asked.max_count ?? minCount)
  if (minCount > maxCount) throw new LodgeError('badRequest', 'min_count must be <= max_count')
  if (minCount > mostServers)
    throw new LodgeError('badRequest', `A request can ask for ${mostServers} servers at most.`)
  return { minCount, maxCount: Math.min(maxCount, mostServers) }
}

/** `flavorRef` may be an id or, in the way of old clients, a link that ends with it. */
async function flavorOf(db: Db, reference: string | number, request: ApiRequest): Promise<Flavor> {
  const id = String(reference).split(/[?#]/, 1)[0]!.split('/').at(-1)!
  const flavor = await getFlavor(db, id, request.caller)
  if (!flavor || flavor.disabled)
    throw new LodgeError('badRequest', `Flavor ${id.slice(0, 255)} could not be found.`)
  return flavor
}

/** Hints that begin with `_nova` are Nova's own business (CVE-2026-46448): a client's are dropped. */
function hintsOf(body: CreateBody): Record<string, unknown> {
  const sent = body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints'] ?? {}
  return Object.fromEntries(Object.entries(sent).filter(([key]) => !key.startsWith('_nova')))
}

const reservationAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

const newReservationId = (): string =>
  `r-${Array.from({ length: 8 }, () => reservationAlphabet[randomInt(reservationAlphabet.length)]).join('')}`
