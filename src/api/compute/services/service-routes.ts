import { LodgeError } from '../../../base/errors.ts'
import { removeHostFromAggregates } from '../../../store/aggregates.ts'
import { deleteHost } from '../../../store/hosts.ts'
import { serversOnHosts } from '../../../store/host-list.ts'
import { deleteService, getService, listServices, type Service } from '../../../store/services.ts'
import { isUuid } from '../../common/formats.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { isoMicroseconds } from '../../common/time.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'
import { changedAt, hostZones, isServiceUp, zoneOf, type HostZones } from './service-state.ts'
import { updateByName, updateByNameSchemas, updateByUuid, updateByUuidSchema } from './update-service.ts'

export const serviceRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-services',
    policy: 'os-services:list',
    role: 'admin',
    success: 200,
    query: querySchemas({ host: queryPart.text, binary: queryPart.text }, 75),
    summary: "Lists nova-compute on each host and the controller's own parts, with their state",
    handler: async (request) => {
      const found = await listServices(services.store.db, {
        binary: filterOf(request, 'binary'),
        host: filterOf(request, 'host'),
      })
      const zones = await hostZones(services.store.db, services.config.hosts)
      return {
        body: { services: found.map((service) => serviceView(services, service, zones, request.version)) },
      }
    },
  },
  {
    method: 'PUT',
    path: '/os-services/:id',
    max: 52,
    policy: 'os-services:update',
    role: 'admin',
    success: 200,
    body: updateByNameSchemas,
    summary: 'Enables, disables or forces down the nova-compute of a host',
    handler: (request) => updateByName(services, request),
  },
  {
    method: 'PUT',
    path: '/os-services/:id',
    min: 53,
    policy: 'os-services:update',
    role: 'admin',
    success: 200,
    body: [{ schema: updateByUuidSchema }],
    summary: 'Enables, disables or forces down a nova-compute',
    handler: async (request) => {
      const service = await updateByUuid(services, request)
      const zones = await hostZones(services.store.db, services.config.hosts, [service.host])
      return { body: { service: serviceView(services, service, zones, request.version) } }
    },
  },
  {
    method: 'DELETE',
    path: '/os-services/:id',
    policy: 'os-services:delete',
    role: 'admin',
    success: 204,
    summary: 'Forgets a service and its host; one that still runs comes back by itself',
    handler: async (request) => {
      await remove(services, request)
      return {}
    },
  },
]

/** `forced_down` came with 2.11, UUIDs as ids with 2.53. */
export function serviceView(
  { config, clock }: ApiServices,
  service: Service,
  zones: HostZones,
  version: number,
) {
  return {
    id: version >= 53 ? service.id : service.number,
    binary: service.binary,
    host: service.host,
    zone: zoneOf(service, zones),
    status: service.disabled ? 'disabled' : 'enabled',
    state: isServiceUp(service, clock.now(), config.hosts) ? 'up' : 'down',
    disabled_reason: service.disabledReason,
    updated_at: isoMicroseconds(changedAt(service)),
    ...(version >= 11 && { forced_down: service.forcedDown }),
  }
}

/** Clients built on openstacksdk write `None` for a filter that was not given. */
function filterOf(request: ApiRequest, key: 'binary' | 'host'): string | undefined {
  const text = queryValue(request, key)
  return text === '' || text === 'None' ? undefined : text
}

async function remove({ store }: ApiServices, request: ApiRequest): Promise<void> {
  const id = request.params['id'] ?? ''
  const byUuid = request.version >= 53
  if (byUuid && !isUuid(id)) throw new LodgeError('badRequest', `Invalid uuid ${id}`)
  if (!byUuid && !/^\d{1,15}$/.test(id))
    throw new LodgeError('badRequest', `id must be an integer, not ${id}`)
  await store.transaction(async (trx) => {
    const service = byUuid
      ? await getService(trx, id)
      : (await listServices(trx)).find(({ number }) => number === Number(id))
    if (!service) throw new LodgeError('notFound', `Service ${id} not found.`)
    if (service.binary === 'nova-compute') {
      const servers = await serversOnHosts(trx, [service.host])
      if (servers.size > 0)
        throw new LodgeError(
          'conflict',
          'Unable to delete compute service that is hosting instances. Migrate or delete the instances first.',
        )
      await removeHostFromAggregates(trx, service.host)
      await deleteHost(trx, service.host)
    }
    await deleteService(trx, service.id)
  })
}
