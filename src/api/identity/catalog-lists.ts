import type { ApiServices, Route } from '../common/route.ts'
import { catalogFor } from './catalog.ts'
import { couldNotFind } from './faults.ts'
import { listing, single } from './listing.ts'

/** /services, /endpoints and /regions, to read only: the catalog follows from the settings. Also /groups: none. */
export function catalogListRoutes(services: ApiServices): Route[] {
  return [
    {
      method: 'GET',
      path: '/services',
      policy: 'identity:list_services',
      role: 'admin',
      success: 200,
      summary: 'Lists the services of the catalog',
      handler: async (request) => {
        const type = single(request, 'type')
        const name = single(request, 'name')
        const views = catalogFor(services, request)
          .filter((one) => (type ?? one.type) === one.type && (name ?? one.name) === one.name)
          .map((one) => serviceView(request.links.versioned, one))
        return listing(request, 'services', '/services', views)
      },
    },
    {
      method: 'GET',
      path: '/services/:id',
      policy: 'identity:get_service',
      role: 'admin',
      success: 200,
      summary: 'Shows a service of the catalog',
      handler: async (request) => {
        const id = request.params['id']!
        const service = catalogFor(services, request).find((one) => one.id === id)
        if (!service) throw couldNotFind('service', id)
        return { body: { service: serviceView(request.links.versioned, service) } }
      },
    },
    {
      method: 'GET',
      path: '/endpoints',
      policy: 'identity:list_endpoints',
      role: 'admin',
      success: 200,
      summary: 'Lists the endpoints of the catalog',
      handler: async (request) => {
        const serviceId = single(request, 'service_id')
        const face = single(request, 'interface')
        const region = single(request, 'region_id') ?? single(request, 'region')
        const views = catalogFor(services, request).flatMap((service) =>
          service.endpoints
            .filter(
              (one) =>
                (serviceId ?? service.id) === service.id &&
                (face ?? one.interface) === one.interface &&
                (region ?? one.region_id) === one.region_id,
            )
            .map((endpoint) => endpointView(request.links.versioned, service.id, endpoint)),
        )
        return listing(request, 'endpoints', '/endpoints', views)
      },
    },
    {
      method: 'GET',
      path: '/endpoints/:id',
      policy: 'identity:get_endpoint',
      role: 'admin',
      success: 200,
      summary: 'Shows an endpoint of the catalog',
      handler: async (request) => {
        const id = request.params['id']!
        for (const service of catalogFor(services, request))
          for (const endpoint of service.endpoints)
            if (endpoint.id === id)
              return { body: { endpoint: endpointView(request.links.versioned, service.id, endpoint) } }
        throw couldNotFind('endpoint', id)
      },
    },
    {
      method: 'GET',
      path: '/regions',
      policy: 'identity:list_regions',
      role: 'any',
      success: 200,
      summary: 'Lists the one region',
      handler: async (request) => {
        const view = regionView(request.links.versioned, services.config.region)
        return listing(request, 'regions', '/regions', [view])
      },
    },
    {
      method: 'GET',
      path: '/regions/:id',
      policy: 'identity:get_region',
      role: 'any',
      success: 200,
      summary: 'Shows the region',
      handler: async (request) => {
        const id = request.params['id']!
        if (id !== services.config.region) throw couldNotFind('region', id)
        return { body: { region: regionView(request.links.versioned, id) } }
      },
    },
    {
      method: 'GET',
      path: '/groups',
      policy: 'identity:list_groups',
      role: 'admin',
      success: 200,
      summary: 'Lists groups, of which there are none',
      handler: async (request) => listing(request, 'groups', '/groups', []),
    },
    {
      method: 'GET',
      path: '/groups/:id',
      policy: 'identity:get_group',
      role: 'admin',
      success: 200,
      summary: 'Shows a group, of which there are none',
      handler: async (request) => {
        throw couldNotFind('group', request.params['id']!)
      },
    },
  ]
}

const serviceView = (base: string, { id, type, name }: { id: string; type: string; name: string }) => ({
  id,
  type,
  name,
  enabled: true,
  links: { self: `${base}/services/${id}` },
})

const endpointView = (base: string, serviceId: string, endpoint: { id: string }) => ({
  ...endpoint,
  service_id: serviceId,
  enabled: true,
  links: { self: `${base}/endpoints/${endpoint.id}` },
})

const regionView = (base: string, id: string) => ({
  id,
  description: '',
  parent_region_id: null,
  links: { self: `${base}/regions/${encodeURIComponent(id)}` },
})
