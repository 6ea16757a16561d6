import { LodgeError } from '../../../base/errors.ts'
import type { Route } from '../../common/route.ts'

/** Why a part of the API has gone, with the routes that belonged to it: method, path and action. */
const removed: [reason: string, routes: string[]][] = [
  [
    'it served hypervisors that are no longer supported',
    [
      'POST /servers/:id/action os-getRDPConsole',
      'POST /servers/:id/action resetNetwork',
      'GET /servers/:id/consoles',
      'POST /servers/:id/consoles',
      'GET /servers/:server_id/consoles/:id',
      'DELETE /servers/:server_id/consoles/:id',
      'GET /os-agents',
      'POST /os-agents',
      'PUT /os-agents/:id',
      'DELETE /os-agents/:id',
    ],
  ],
  [
    'it served the first form of cells',
    [
      'POST /os-cells',
      'GET /os-cells',
      'GET /os-cells/capacities',
      'GET /os-cells/detail',
      'GET /os-cells/info',
      'POST /os-cells/sync_instances',
      'GET /os-cells/:id',
      'PUT /os-cells/:id',
      'DELETE /os-cells/:id',
      'GET /os-cells/:id/capacities',
    ],
  ],
  ['it served bundles of the EC2 API', ['POST /os-certificates', 'GET /os-certificates/:id']],
  [
    'it served nova-network',
    [
      'GET /servers/:id/os-virtual-interfaces',
      'GET /os-cloudpipe',
      'POST /os-cloudpipe',
      'PUT /os-cloudpipe/:id',
      'GET /os-fixed-ips/:id',
      'POST /os-fixed-ips/:id/action reserve',
      'POST /os-fixed-ips/:id/action unreserve',
      'GET /os-floating-ip-dns',
      'PUT /os-floating-ip-dns/:id',
      'DELETE /os-floating-ip-dns/:id',
      'GET /os-floating-ip-dns/:domain_id/entries/:id',
      'PUT /os-floating-ip-dns/:domain_id/entries/:id',
      'DELETE /os-floating-ip-dns/:domain_id/entries/:id',
      'GET /os-floating-ips-bulk',
      'POST /os-floating-ips-bulk',
      'GET /os-floating-ips-bulk/:id',
      'PUT /os-floating-ips-bulk/:id',
      'GET /os-fping',
      'GET /os-fping/:id',
      'POST /os-networks',
      'POST /os-networks/add',
      'DELETE /os-networks/:id',
      'POST /os-networks/:id/action associate_host',
      'POST /os-networks/:id/action disassociate',
      'POST /os-networks/:id/action disassociate_host',
      'POST /os-networks/:id/action disassociate_project',
      'GET /os-security-group-default-rules',
      'POST /os-security-group-default-rules',
      'GET /os-security-group-default-rules/:id',
      'DELETE /os-security-group-default-rules/:id',
      'POST /os-tenant-networks',
      'DELETE /os-tenant-networks/:id',
    ],
  ],
]

/** What Nova once had and now answers with 410. */
export const removedRoutes = (): Route[] =>
  removed.flatMap(([reason, routes]) => routes.map((route) => removedRoute(route, reason)))

function removedRoute(route: string, reason: string): Route {
  const [method = '', path = '', action] = route.split(' ')
  return {
    method: method as Route['method'],
    path,
    ...(action !== undefined && { action }),
    // Like the other actions for consoles it ended with 2.5, before it was removed.
    ...(action === 'os-getRDPConsole' && { max: 5 }),
    policy: 'removed',
    role: 'any',
    success: 410,
    summary: `Gone: ${reason}`,
    handler: async () => {
      throw new LodgeError('gone', `This part of the API is gone for good: ${reason}.`)
    },
  }
}
