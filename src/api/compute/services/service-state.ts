import type { Config } from '../../../base/config.ts'
import { zonesOfHosts } from '../../../store/aggregates.ts'
import type { Service } from '../../../store/services.ts'
import type { Db } from '../../../store/store.ts'

/** The zone that Nova shows for the controller's own parts. */
export const internalZone = 'internal'

/** Whether a service was heard of lately. One that an operator forced down is down whatever it says. */
export function isServiceUp(
  service: Pick<Service, 'forcedDown' | 'lastSeenAt'>,
  now: number,
  { downAfterSeconds }: Config['hosts'],
): boolean {
  return !service.forcedDown && Math.abs(now - service.lastSeenAt) <= downAfterSeconds * 1000
}

/** A host's zone by its name: that of its aggregates, else the default one. */
export type HostZones = (host: string) => string

/** The zones of these hosts, or of all. */
export async function hostZones(
  db: Db,
  { defaultAvailabilityZone }: Config['hosts'],
  hosts?: readonly string[],
): Promise<HostZones> {
  const zones = await zonesOfHosts(db, hosts)
  return (host) => zones.get(host) ?? defaultAvailabilityZone
}

/** The zone of a service: its host's; the controller's own parts are in none that servers could be in. */
export const zoneOf = (service: Pick<Service, 'binary' | 'host'>, zones: HostZones): string =>
  service.binary === 'nova-compute' ? zones(service.host) : internalZone

/** The later of its last heartbeat and its last change by an operator. */
export const changedAt = (service: Pick<Service, 'lastSeenAt' | 'updatedAt'>): number =>
  Math.max(service.lastSeenAt, service.updatedAt)
