import { listServices, type Service } from '../../../store/services.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { isoMicroseconds } from '../../common/time.ts'
import { emptyQuery } from '../parameters.ts'
import { changedAt, hostZones, internalZone, isServiceUp, zoneOf } from '../services/service-state.ts'

export const availabilityZoneRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-availability-zone',
    policy: 'os-availability-zone:list',
    role: 'any',
    success: 200,
    query: emptyQuery,
    summary: 'Lists availability zones',
    handler: async () => {
      const zones = await zonesOf(services)
      const visible = zones.filter(({ name }) => name !== internalZone)
      return { body: { availabilityZoneInfo: visible.map((zone) => ({ ...summary(zone), hosts: null })) } }
    },
  },
  {
    method: 'GET',
    path: '/os-availability-zone/detail',
    policy: 'os-availability-zone:detail',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Lists availability zones with their hosts and services',
    handler: async () => {
      const zones = await zonesOf(services)
      const view = (zone: Zone) => ({
        ...summary(zone),
        hosts: zone.enabled.length === 0 ? null : hostsView(services, zone.enabled),
      })
      return { body: { availabilityZoneInfo: zones.map(view) } }
    },
  },
]

/** A zone with its services that are enabled; one without any is not available. */
interface Zone {
  name: string
  enabled: Service[]
}

async function zonesOf({ store, config }: ApiServices): Promise<Zone[]> {
  const zones = new Map<string, Zone>()
  const zoneOfHost = await hostZones(store.db, config.hosts)
  for (const service of await listServices(store.db)) {
    const name = zoneOf(service, zoneOfHost)
    const zone = zones.get(name) ?? { name, enabled: [] }
    zones.set(name, zone)
    if (!service.disabled) zone.enabled.push(service)
  }
  const available = ({ enabled }: Zone): number => (enabled.length > 0 ? 0 : 1)
  return [...zones.values()].toSorted(
    (one, other) => available(one) - available(other) || (one.name < other.name ? -1 : 1),
  )
}

const summary = ({ name, enabled }: Zone) => ({
  zoneName: name,
  zoneState: { available: enabled.length > 0 },
})

function hostsView({ clock, config }: ApiServices, services: Service[]) {
  const now = clock.now()
  const byHost = Object.groupBy(services, ({ host }) => host)
  return Object.fromEntries(
    Object.entries(byHost).map(([host, ofHost = []]) => [
      host,
      Object.fromEntries(
        ofHost.map((service) => [
          service.binary,
          {
            active: true,
            available: isServiceUp(service, now, config.hosts),
            updated_at: isoMicroseconds(changedAt(service)),
          },
        ]),
      ),
    ]),
  )
}
