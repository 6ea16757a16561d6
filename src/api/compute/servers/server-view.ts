import { hash } from 'node:crypto'
import type { Server } from '../../../model/server.ts'
import { domainNameOf } from '../../../model/server-spec.ts'
import { statusOf } from '../../../model/server-state.ts'
import type { ServerFault } from '../../../store/server-faults.ts'
import { resourceLinks } from '../../common/links.ts'
import type { ApiRequest } from '../../common/route.ts'
import { isoMicroseconds, isoTime } from '../../common/time.ts'

type Asker = Pick<ApiRequest, 'version' | 'caller' | 'links'>

/** What the view needs beside the server's own record. */
export interface ServerSurroundings {
  tags: string[]
  /** The newest fault; only wanted for servers in ERROR or DELETED. */
  fault: ServerFault | null
  /** Null without a host, or when nobody may see it. */
  hypervisorHostname: string | null
  /** UP, DOWN, MAINTENANCE, UNKNOWN, or '' without a host. */
  hostStatus: string
  /** Zone of the host; null without one. */
  hostZone: string | null
  /** Id of its server group; null: none, or not asked for. */
  group: string | null
}

/** `detail` stands in lists, `update` answers a PUT, `rebuild` the action. */
export type ServerForm = 'show' | 'detail' | 'update' | 'rebuild'

/** The short form: id, name and links. */
export const serverSummary = (server: Pick<Server, 'id' | 'name'>, asker: Asker) => ({
  id: server.id,
  name: server.name,
  links: resourceLinks(asker, `/servers/${server.id}`),
})

/**
 * A server as the API shows it at the asked microversion. The one place that knows what came with which of them:
 * properties that a microversion lacks are left out, and two (`flavor`, `image`) change their form.
 */
export function serverView(
  server: Server,
  around: ServerSurroundings,
  asker: Asker,
  form: ServerForm,
): Record<string, unknown> {
  const { version, caller } = asker
  const status = statusOf(server.vmState, server.taskState)
  const view: Record<string, unknown> = {
    id: server.id,
    name: server.name,
    status,
    tenant_id: server.projectId,
    user_id: server.userId,
    metadata: server.metadata,
    hostId: hostIdOf(server.projectId, server.host),
    image: imageOf(server, asker),
    flavor: flavorOf(server, asker),
    created: isoTime(server.createdAt),
    updated: isoTime(server.updatedAt),
    addresses: {},
    accessIPv4: server.accessIpv4 ?? '',
    accessIPv6: server.accessIpv6 ?? '',
    links: resourceLinks(asker, `/servers/${server.id}`),
    'OS-DCF:diskConfig': server.diskConfig,
  }
  if (statusesWithProgress.has(status)) view['progress'] = server.progress
  if (around.fault && statusesWithFault.has(status)) view['fault'] = faultOf(around.fault, caller.isAdmin)
  if (version >= 9) view['locked'] = server.lockedBy !== null
  if (version >= 19) view['description'] = server.description
  if (version >= 26) view['tags'] = around.tags
  if (version >= 63) view['trusted_image_certificates'] = null
  if (version >= 71 && form !== 'detail') view['server_groups'] = around.group === null ? [] : [around.group]
  if (version >= 73) view['locked_reason'] = server.lockedReason
  if (form === 'rebuild' && version >= 54) view['key_name'] = server.key?.name ?? null
  if (form === 'rebuild' && version >= 57) view['user_data'] = server.userData
  // Until 2.74 the answers to an update and a rebuild had only the basic properties.
  if ((form === 'update' || form === 'rebuild') && version < 75) return view

  view['OS-EXT-AZ:availability_zone'] = around.hostZone ?? server.availabilityZone ?? ''
  view['config_drive'] = server.configDrive ? 'True' : ''
  view['key_name'] = server.key?.name ?? null
  view['OS-SRV-USG:launched_at'] = isoMicroseconds(server.launchedAt)
  view['OS-SRV-USG:terminated_at'] = isoMicroseconds(server.terminatedAt)
  view['OS-EXT-STS:task_state'] = server.taskState
  view['OS-EXT-STS:vm_state'] = server.vmState
  view['OS-EXT-STS:power_state'] = server.powerState
  view['os-extended-volumes:volumes_attached'] = []
  if (caller.isAdmin) addForAdministrators(view, server, around, version)
  else if (version >= 90) view['OS-EXT-SRV-ATTR:hostname'] = server.hostname
  // The answer to a rebuild shows it to all, under another name.
  if (caller.isAdmin && version >= 3 && form !== 'rebuild')
    view['OS-EXT-SRV-ATTR:user_data'] = server.userData
  if (version >= 96) view['pinned_availability_zone'] = server.availabilityZone
  if (version >= 100) view['scheduler_hints'] = server.schedulerHints
  return view
}

function addForAdministrators(
  view: Record<string, unknown>,
  server: Server,
  around: ServerSurroundings,
  version: number,
): void {
  view['OS-EXT-SRV-ATTR:host'] = server.host
  view['OS-EXT-SRV-ATTR:instance_name'] = domainNameOf(server.number)
  view['OS-EXT-SRV-ATTR:hypervisor_hostname'] = around.hypervisorHostname
  if (version >= 3) {
    view['OS-EXT-SRV-ATTR:reservation_id'] = server.reservationId
    view['OS-EXT-SRV-ATTR:launch_index'] = server.launchIndex
    view['OS-EXT-SRV-ATTR:hostname'] = server.hostname
    view['OS-EXT-SRV-ATTR:kernel_id'] = ''
    view['OS-EXT-SRV-ATTR:ramdisk_id'] = ''
    view['OS-EXT-SRV-ATTR:root_device_name'] = server.rootDeviceName
  }
  if (version >= 16) view['host_status'] = around.hostStatus
}

/** Nova's opaque id of a host for a project: tells servers on one host apart from others, and no more. */
export const hostIdOf = (projectId: string, host: string | null): string =>
  host === null ? '' : hash('sha224', projectId + host, 'hex')

const statusesWithProgress = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING'])
export const statusesWithFault: ReadonlySet<string> = new Set(['ERROR', 'DELETED'])

function flavorOf(server: Server, { version, links }: Asker): object {
  const { flavor } = server
  if (version < 47)
    return {
      id: flavor.id,
      links: [{ rel: 'bookmark', href: `${links.bookmark}/flavors/${encodeURIComponent(flavor.id)}` }],
    }
  return {
    vcpus: flavor.vcpus,
    ram: flavor.memoryMiB,
    disk: flavor.rootGiB,
    ephemeral: flavor.ephemeralGiB,
    swap: flavor.swapMiB,
    original_name: flavor.name,
    extra_specs: flavor.extraSpecs,
  }
}

function imageOf(server: Server, { version, links }: Asker): object | string {
  const { image } = server
  if (!image) return ''
  const view = { id: image.id, links: [{ rel: 'bookmark', href: `${links.bookmark}/images/${image.id}` }] }
  if (version < 98) return view
  const shown = Object.entries(image.properties).filter(([key]) => showableProperty.test(key))
  return { ...view, properties: Object.fromEntries(shown) }
}

/** What Nova's contract has as names of image properties. */
const showableProperty = /^[a-zA-Z0-9_:. ]{1,255}$/

function faultOf(fault: ServerFault, isAdmin: boolean): object {
  return {
    code: fault.code,
    created: isoTime(fault.createdAt),
    message: fault.message,
    ...(isAdmin && fault.details !== '' ? { details: fault.details } : {}),
  }
}
