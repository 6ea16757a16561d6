import { LodgeError } from '../../../base/errors.ts'
import type { ServerFlavor } from '../../../model/server-spec.ts'
import { getHypervisor } from '../../../store/host-list.ts'
import { listServices } from '../../../store/services.ts'
import { getServersOfHost } from '../../../store/servers.ts'
import type { ApiReply, ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'
import { usageOf } from '../hypervisors/hypervisor-view.ts'
import { hostZones, zoneOf } from '../services/service-state.ts'

/** The last microversion with these routes; hypervisors and services replace them. */
const max = 42

/** What libvirt hosts do not do through this API; Nova answers 501 for them as well. */
const refused = {
  maintenance: 'Virt driver does not implement host maintenance mode.',
  status: 'Virt driver does not implement host disabled status.',
  power: 'Virt driver does not implement host power management.',
}

export const hostRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-hosts',
    max,
    policy: 'os-hosts:list',
    role: 'admin',
    success: 200,
    query: querySchemas({ zone: queryPart.text }, max + 1, { until: max }),
    summary: 'Lists hosts with their enabled services',
    handler: (request) => list(services, request),
  },
  {
    method: 'GET',
    path: '/os-hosts/:id',
    max,
    policy: 'os-hosts:show',
    role: 'admin',
    success: 200,
    summary: 'Shows what a host has and what each project takes of it',
    handler: (request) => show(services, request),
  },
  {
    method: 'PUT',
    path: '/os-hosts/:id',
    max,
    policy: 'os-hosts:update',
    role: 'admin',
    success: 200,
    body: [{ schema: updateSchema() }],
    summary: 'Would change the status of a host; libvirt hosts do not have one',
    handler: async (request) => {
      const { maintenance_mode: maintenance } = request.body as { maintenance_mode?: string }
      return refuse(services, request, maintenance === undefined ? refused.status : refused.maintenance)
    },
  },
  ...(['reboot', 'shutdown', 'startup'] as const).map((verb): Route => ({
    method: 'GET',
    path: `/os-hosts/:id/${verb}`,
    max,
    policy: `os-hosts:${verb === 'startup' ? 'start' : verb}`,
    role: 'admin',
    success: 200,
    summary: `Would ${verb} a host; libvirt hosts are not powered through this API`,
    handler: (request) => refuse(services, request, refused.power),
  })),
]

async function list({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const zone = queryValue(request, 'zone')
  const zones = await hostZones(store.db, config.hosts)
  const hosts = (await listServices(store.db))
    .filter((service) => !service.disabled)
    .map((service) => ({
      host_name: service.host,
      service: service.binary.replace('nova-', ''),
      zone: zoneOf(service, zones),
    }))
  return { body: { hosts: zone ? hosts.filter((host) => host.zone === zone) : hosts } }
}

async function show(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const hypervisor = await requireHost(services, request)
  const host = hypervisor.name
  const usage = usageOf(hypervisor, undefined)
  const servers = await getServersOfHost(services.store.db, host)
  const byProject = Object.groupBy(servers, ({ projectId }) => projectId)
  const resource = (project: string, cpu: number, memory_mb: number, disk_gb: number) => ({
    resource: { host, project, cpu, memory_mb, disk_gb },
  })
  const sumOf = (project: string, flavors: ServerFlavor[]) =>
    resource(
      project,
      flavors.reduce((sum, flavor) => sum + flavor.vcpus, 0),
      flavors.reduce((sum, flavor) => sum + flavor.memoryMiB, 0),
      flavors.reduce((sum, flavor) => sum + flavor.rootGiB + flavor.ephemeralGiB, 0),
    )
  return {
    body: {
      host: [
        resource('(total)', usage.vcpus, usage.memory_mb, usage.local_gb),
        resource('(used_now)', usage.vcpus_used, usage.memory_mb_used, usage.local_gb_used),
        sumOf(
          '(used_max)',
          servers.map(({ flavor }) => flavor),
        ),
        ...Object.entries(byProject).map(([project, ofProject = []]) =>
          sumOf(
            project,
            ofProject.map(({ flavor }) => flavor),
          ),
        ),
      ],
    },
  }
}

async function refuse(services: ApiServices, request: ApiRequest, why: string): Promise<never> {
  await requireHost(services, request)
  throw new LodgeError('notImplemented', why)
}

async function requireHost({ store }: ApiServices, request: ApiRequest) {
  const name = request.params['id'] ?? ''
  const hypervisor = await getHypervisor(store.db, { name })
  if (!hypervisor) throw new LodgeError('notFound', `Compute host ${name} could not be found.`)
  return hypervisor
}

function updateSchema(): Record<string, unknown> {
  const verb = { type: 'string', enum: ['enable', 'disable', 'Enable', 'Disable', 'ENABLE', 'DISABLE'] }
  return {
    type: 'object',
    properties: { status: verb, maintenance_mode: verb },
    anyOf: [{ required: ['status'] }, { required: ['maintenance_mode'] }],
    additionalProperties: false,
  }
}
