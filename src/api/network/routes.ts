import { LodgeError } from '../../base/errors.ts'
import type { ApiServices, Route } from '../common/route.ts'

/** Lists by their path below `/network/v2.0`, with the key under which Neutron shows them, and one item's name. */
const collections = [
  { path: 'networks', key: 'networks', item: 'Network' },
  { path: 'subnets', key: 'subnets', item: 'Subnet' },
  { path: 'ports', key: 'ports', item: 'Port' },
  { path: 'routers', key: 'routers', item: 'Router' },
  { path: 'floatingips', key: 'floatingips', item: 'Floating IP' },
  { path: 'security-groups', key: 'security_groups', item: 'Security group' },
  { path: 'security-group-rules', key: 'security_group_rules', item: 'Security group rule' },
  { path: 'subnetpools', key: 'subnetpools', item: 'Subnet pool' },
  { path: 'address-scopes', key: 'address_scopes', item: 'Address scope' },
  { path: 'agents', key: 'agents', item: 'Agent' },
  { path: 'availability_zones', key: 'availability_zones', item: 'Availability zone' },
  { path: 'extensions', key: 'extensions', item: 'Extension' },
  { path: 'quotas', key: 'quotas', item: 'Quota' },
]

/** What one may have of each: nothing, as there is nothing. */
const quota = {
  network: 0,
  subnet: 0,
  subnetpool: 0,
  port: 0,
  router: 0,
  floatingip: 0,
  security_group: 0,
  security_group_rule: 0,
  rbac_policy: 0,
}

/**
 * The network service's table of routes, below `/network/v2.0`. Servers have no networks yet, and this says so: every
 * list is empty, and clients that look a network up before they create a server get a true answer.
 */
export const networkRoutes = (_services: ApiServices): Route[] => [
  ...collections.flatMap(({ path, key, item }): Route[] => [
    {
      method: 'GET',
      path: `/${path}`,
      policy: `get_${key}`,
      role: 'reader',
      success: 200,
      summary: `Lists ${path}, of which there are none`,
      handler: async () => ({ body: { [key]: [] } }),
    },
    ...(path === 'quotas' ? [] : [missing(path, item)]),
  ]),
  quotaRoute('/quotas/:id', () => quota),
  quotaRoute('/quotas/:id/default', () => quota),
  quotaRoute('/quotas/:id/details.json', () =>
    Object.fromEntries(Object.keys(quota).map((key) => [key, { limit: 0, used: 0, reserved: 0 }])),
  ),
]

const missing = (path: string, item: string): Route => ({
  method: 'GET',
  path: `/${path}/:id`,
  policy: 'get_resource',
  role: 'reader',
  success: 200,
  summary: `Shows one of ${path}, of which there are none`,
  handler: async (request) => {
    throw new LodgeError('notFound', `${item} ${request.params['id']!.slice(0, 255)} could not be found.`)
  },
})

const quotaRoute = (path: string, quotaOf: () => object): Route => ({
  method: 'GET',
  path,
  policy: 'get_quota',
  role: 'reader',
  success: 200,
  summary: 'Shows the network quota of a project: none of anything',
  handler: async () => ({ body: { quota: quotaOf() } }),
})
