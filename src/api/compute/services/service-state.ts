import type { Config } from '../../../base/config.ts'
import type { Service } from '../../../store/services.ts'

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

export const zoneOf = (
  service: Pick<Service, 'binary'>,
  { defaultAvailabilityZone }: Config['hosts'],
): string => (service.binary === 'nova-compute' ? defaultAvailabilityZone : internalZone)

/** The later of its last heartbeat and its last change by an operator. */
export const changedAt = (service: Pick<Service, 'lastSeenAt' | 'updatedAt'>): number =>
  Math.max(service.lastSeenAt, service.updatedAt)
