import { LodgeError, type ErrorKind } from '../../../base/errors.ts'
import { zoneKey, zonesOfHosts, type Aggregate } from '../../../store/aggregates.ts'
import { serversOnHosts } from '../../../store/host-list.ts'
import type { Db } from '../../../store/store.ts'

/**
 * A host is in one zone at most, and the zone of a server does not change under it. These refuse what would break
 * that; each in the transaction that makes the change.
 */

/**
 * Before an aggregate gets another zone.
 * @throws LodgeError badRequest when a host is in a different zone by another aggregate, or has servers
 */
export async function checkZoneChange(
  trx: Db,
  aggregate: Aggregate,
  zone: string | null | undefined,
): Promise<void> {
  if (zone === undefined) return
  if (zone === null || zone.trim() === '')
    throw new LodgeError(
      'badRequest',
      `Aggregate ${aggregate.name} does not support empty named availability zone`,
    )
  if (zone === aggregate.metadata[zoneKey]) return
  await checkOtherZones(trx, aggregate, aggregate.hosts, zone, 'badRequest')
  if ((await serversOnHosts(trx, aggregate.hosts)).size > 0)
    throw refusal('badRequest', aggregate, 'One or more hosts contain instances in this zone')
}

/**
 * Before a host comes into an aggregate.
 * @throws LodgeError conflict when it is in another zone, or its servers would change theirs
 */
export async function checkHostJoins(
  trx: Db,
  aggregate: Aggregate,
  host: string,
  defaultZone: string,
): Promise<void> {
  if (aggregate.hosts.includes(host))
    throw new LodgeError('conflict', `Aggregate ${aggregate.number} already has host ${host}.`)
  const zone = aggregate.metadata[zoneKey]
  if (zone === undefined) return
  const current = await checkOtherZones(trx, aggregate, [host], zone, 'conflict')
  if ((current.get(host) ?? defaultZone) !== zone) await checkEmpty(trx, aggregate, host)
}

/**
 * Before a host leaves an aggregate.
 * @throws LodgeError notFound when it is not in it, conflict when its servers would change their zone
 */
export async function checkHostLeaves(
  trx: Db,
  aggregate: Aggregate,
  host: string,
  others: readonly Aggregate[],
  defaultZone: string,
): Promise<void> {
  if (!aggregate.hosts.includes(host))
    throw new LodgeError('notFound', `Aggregate ${aggregate.number} has no host ${host}.`)
  const zone = aggregate.metadata[zoneKey]
  if (zone === undefined) return
  const left = others.find(
    (other) =>
      other.number !== aggregate.number &&
      other.hosts.includes(host) &&
      other.metadata[zoneKey] !== undefined,
  )
  if ((left?.metadata[zoneKey] ?? defaultZone) !== zone) await checkEmpty(trx, aggregate, host)
}

async function checkEmpty(trx: Db, aggregate: Aggregate, host: string): Promise<void> {
  if ((await serversOnHosts(trx, [host])).size > 0)
    throw refusal('conflict', aggregate, `Host ${host} has instances, whose availability zone would change`)
}

/** The zones that the hosts have by their aggregates. */
async function checkOtherZones(
  trx: Db,
  aggregate: Aggregate,
  hosts: readonly string[],
  zone: string,
  kind: ErrorKind,
): Promise<Map<string, string>> {
  const zones = await zonesOfHosts(trx, hosts)
  const own = aggregate.metadata[zoneKey]
  const different = [...new Set(zones.values())].filter((other) => other !== zone && other !== own)
  if (different.length > 0)
    throw refusal(
      kind,
      aggregate,
      `One or more hosts already in different availability zone(s) ${different.join(', ')}`,
    )
  return zones
}

const refusal = (kind: ErrorKind, aggregate: Aggregate, why: string): LodgeError =>
  new LodgeError(kind, `Cannot change aggregate ${aggregate.number}. Reason: ${why}.`)
