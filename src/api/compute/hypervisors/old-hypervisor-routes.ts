import { LodgeError } from '../../../base/errors.ts'
import { listHypervisors, serversOnHosts, workloadOfHosts } from '../../../store/host-list.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { contextOf, findHypervisors, requireHypervisor, serversView } from './hypervisor-routes.ts'
import { hypervisorSummary, uptimeOf, usageOf, type Usage } from './hypervisor-view.ts'

/** Routes that newer microversions do not have. */
export const oldHypervisorRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-hypervisors/statistics',
    max: 87,
    policy: 'os-hypervisors:statistics',
    role: 'admin',
    success: 200,
    summary: 'Adds up the sizes and usage of all enabled hypervisors',
    handler: async () => ({ body: { hypervisor_statistics: await statistics(services) } }),
  },
  {
    method: 'GET',
    path: '/os-hypervisors/:id/uptime',
    max: 87,
    policy: 'os-hypervisors:uptime',
    role: 'admin',
    success: 200,
    summary: "Shows a hypervisor's uptime",
    handler: async (request) => {
      const hypervisor = await requireHypervisor(services, request)
      const context = contextOf(services, request)
      const uptime = uptimeOf(hypervisor, context)
      if (uptime === null)
        throw new LodgeError(
          'badRequest',
          `Compute service of ${hypervisor.name} is unavailable at this time.`,
        )
      return { body: { hypervisor: { ...hypervisorSummary(hypervisor, context), uptime } } }
    },
  },
  {
    method: 'GET',
    path: '/os-hypervisors/:id/search',
    max: 52,
    policy: 'os-hypervisors:search',
    role: 'admin',
    success: 200,
    summary: 'Finds hypervisors by a part of their host name',
    handler: async (request) => {
      const found = await findHypervisors(services, request.params['id'] ?? '')
      const context = contextOf(services, request)
      return { body: { hypervisors: found.map((hypervisor) => hypervisorSummary(hypervisor, context)) } }
    },
  },
  {
    method: 'GET',
    path: '/os-hypervisors/:id/servers',
    max: 52,
    policy: 'os-hypervisors:servers',
    role: 'admin',
    success: 200,
    summary: 'Lists the servers on hypervisors found by a part of their host name',
    handler: async (request) => {
      const found = await findHypervisors(services, request.params['id'] ?? '')
      const context = contextOf(services, request)
      const names = found.map(({ name }) => name)
      const servers = await serversOnHosts(services.store.db, names)
      const hypervisors = found.map((hypervisor) => {
        const here = servers.get(hypervisor.name)
        return { ...hypervisorSummary(hypervisor, context), ...(here && { servers: serversView(here) }) }
      })
      return { body: { hypervisors } }
    },
  },
]

async function statistics({ store }: ApiServices): Promise<Usage & { count: number }> {
  const enabled = (await listHypervisors(store.db)).filter(({ service }) => !service.disabled)
  const workloads = await workloadOfHosts(
    store.db,
    enabled.map(({ name }) => name),
  )
  const sum: Usage & { count: number } = { count: enabled.length, ...zeroUsage }
  for (const hypervisor of enabled) {
    const usage = usageOf(hypervisor, workloads.get(hypervisor.name))
    for (const name of Object.keys(usage) as (keyof Usage)[]) sum[name] += usage[name]
  }
  return sum
}

const zeroUsage: Usage = {
  vcpus: 0,
  vcpus_used: 0,
  memory_mb: 0,
  memory_mb_used: 0,
  free_ram_mb: 0,
  local_gb: 0,
  local_gb_used: 0,
  free_disk_gb: 0,
  disk_available_least: 0,
  running_vms: 0,
  current_workload: 0,
}
