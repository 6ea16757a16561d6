import type { Config } from '../../../base/config.ts'
import { LodgeError } from '../../../base/errors.ts'
import { zonesOfHosts } from '../../../store/aggregates.ts'
import { findHost } from '../../../store/host-facts.ts'
import { listServices } from '../../../store/services.ts'
import type { Db } from '../../../store/store.ts'
import { denied } from '../../common/policy.ts'
import type { Caller } from '../../common/route.ts'
import type { CreateBody } from './create-schema.ts'

export interface RequestedPlacement {
  /** null: any. */
  availabilityZone: string | null
  /** Filters are skipped, and there is no second try elsewhere. */
  forcedHost: string | null
  /** Filters run, on this host alone. */
  requestedHost: string | null
}

/**
 * Where a create wants its server: an availability zone, a host forced through one (`zone:host`, `zone:host:node`,
 * `zone::node`), or a host and hypervisor by 2.74's parameters.
 * @throws LodgeError forbidden for hosts unless the caller is an administrator, badRequest for what does not exist
 */
export async function requestedPlacement(
  db: Db,
  config: Config,
  asked: CreateBody['server'],
  caller: Caller,
): Promise<RequestedPlacement> {
  const [zone = '', forcedName = '', forcedNode = '', ...more] = (asked.availability_zone ?? '').split(':')
  if (more.length > 0)
    throw new LodgeError(
      'badRequest',
      'Unable to parse availability_zone: use zone, zone:host or zone:host:node.',
    )
  const forced = forcedName !== '' || forcedNode !== ''
  const requested = asked.host !== undefined || asked.hypervisor_hostname !== undefined
  if (forced && !caller.isAdmin) throw denied('servers:create:forced_host')
  if (requested && !caller.isAdmin) throw denied('compute:servers:create:requested_destination')
  if (forced && requested)
    throw new LodgeError(
      'badRequest',
      'A host in availability_zone cannot be combined with host or hypervisor_hostname.',
    )
  if (zone !== '' && !(await isOpenZone(db, config, zone)))
    throw new LodgeError('badRequest', 'The requested availability zone is not available')
  return {
    availabilityZone: zone === '' ? config.hosts.defaultScheduleZone : zone,
    forcedHost: forced ? await hostName(db, forcedName || undefined, forcedNode || undefined) : null,
    requestedHost: requested ? await hostName(db, asked.host, asked.hypervisor_hostname) : null,
  }
}

/** The default zone, and any other with a host that takes servers. */
async function isOpenZone(db: Db, config: Config, zone: string): Promise<boolean> {
  if (zone === config.hosts.defaultAvailabilityZone) return true
  const zones = await zonesOfHosts(db)
  const computes = await listServices(db, { binary: 'nova-compute' })
  return computes.some(({ host, disabled }) => !disabled && zones.get(host) === zone)
}

async function hostName(db: Db, name?: string, hypervisorHostname?: string): Promise<string> {
  const host = await findHost(db, { name, hypervisorHostname })
  if (!host)
    throw new LodgeError('badRequest', `Compute host ${name ?? hypervisorHostname} could not be found.`)
  return host.name
}
