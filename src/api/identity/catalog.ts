import { hash } from 'node:crypto'
import type { Config } from '../../base/config.ts'
import { serviceRootUrl } from '../common/links.ts'
import type { ApiRequest, ApiServices } from '../common/route.ts'
import { services, type ServiceName } from '../common/service.ts'

export interface CatalogService {
  id: string
  type: string
  name: string
  endpoints: CatalogEndpoint[]
}

export interface CatalogEndpoint {
  id: string
  interface: 'public' | 'internal' | 'admin'
  region: string
  region_id: string
  url: string
}

/** Types and names that clients look for, in Keystone's words. */
const names: Record<Exclude<ServiceName, 'lodge'>, { type: string; name: string }> = {
  identity: { type: 'identity', name: 'keystone' },
  compute: { type: 'compute', name: 'nova' },
  image: { type: 'image', name: 'glance' },
  network: { type: 'network', name: 'neutron' },
}

const interfaces = ['public', 'internal', 'admin'] as const

/**
 * Where the services are, as this client can reach them: by the public URLs of the settings, else by the host that
 * the request named. Only compute's URL carries its version, as its clients expect. Lodge's own additions, which no
 * client of OpenStack knows, are not in it.
 */
export function catalogFor(
  api: Pick<ApiServices, 'config'>,
  request: Pick<ApiRequest, 'headers'>,
): CatalogService[] {
  const host = [request.headers['host']].flat()[0]
  const { lodge: _own, ...known } = services
  return Object.values(known).map((service) => {
    const root = serviceRootUrl(api.config, service, host)
    const url = service.name === 'compute' ? `${root}/${service.version}` : root
    const { type, name } = names[service.name]
    return { id: stableId(type), type, name, endpoints: endpointsOf(api.config, type, url) }
  })
}

const endpointsOf = ({ region }: Config, type: string, url: string): CatalogEndpoint[] =>
  interfaces.map((face) => ({
    id: stableId(`${type} ${face} ${region}`),
    interface: face,
    region,
    region_id: region,
    url,
  }))

/** The catalog is not kept anywhere, so ids are made of what they stand for. */
const stableId = (of: string): string => hash('sha256', `catalog ${of}`, 'hex').slice(0, 32)
