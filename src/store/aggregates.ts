import type { Selectable } from 'kysely'
import { newUuid } from '../base/ids.ts'
import type { AggregatesTable } from './schema.ts'
import type { Db } from './store.ts'

/** A named set of hosts with metadata. With `availability_zone` in its metadata it is that zone's. */
export interface Aggregate {
  /** The id of the API. */
  number: number
  /** The uuid of microversion 2.41. */
  id: string
  name: string
  metadata: Record<string, string>
  /** Names, sorted. */
  hosts: string[]
  createdAt: number
  updatedAt: number | null
}

/** The key of an aggregate's metadata that makes a zone of it. */
export const zoneKey = 'availability_zone'

/** All aggregates in order of their numbers. */
export async function listAggregates(db: Db): Promise<Aggregate[]> {
  const rows = await db.selectFrom('aggregates').selectAll().orderBy('number').execute()
  const members = await db.selectFrom('aggregate_hosts').selectAll().orderBy('host').execute()
  const byNumber = Map.groupBy(members, ({ aggregate_number }) => aggregate_number)
  return rows.map((row) =>
    aggregateFromRow(
      row,
      (byNumber.get(row.number) ?? []).map(({ host }) => host),
    ),
  )
}

/** One aggregate, or undefined. */
export async function getAggregate(db: Db, number: number): Promise<Aggregate | undefined> {
  const row = await db.selectFrom('aggregates').selectAll().where('number', '=', number).executeTakeFirst()
  if (!row) return undefined
  const members = await db
    .selectFrom('aggregate_hosts')
    .select('host')
    .where('aggregate_number', '=', number)
    .orderBy('host')
    .execute()
  return aggregateFromRow(
    row,
    members.map(({ host }) => host),
  )
}

/** Whether an aggregate has this name. */
export async function isAggregateName(db: Db, name: string): Promise<boolean> {
  const row = await db.selectFrom('aggregates').select('number').where('name', '=', name).executeTakeFirst()
  return row !== undefined
}

/** Makes an aggregate without hosts. */
export async function insertAggregate(
  trx: Db,
  name: string,
  metadata: Record<string, string>,
  now: number,
): Promise<Aggregate> {
  const row = await trx
    .insertInto('aggregates')
    .values({ id: newUuid(), name, metadata_json: JSON.stringify(metadata), created_at: now })
    .returningAll()
    .executeTakeFirstOrThrow()
  return aggregateFromRow(row, [])
}

/** Changes name or metadata (the whole of it). */
export async function updateAggregate(
  trx: Db,
  number: number,
  patch: { name?: string | undefined; metadata?: Record<string, string> | undefined },
  now: number,
): Promise<void> {
  await trx
    .updateTable('aggregates')
    .set({
      ...(patch.name !== undefined && { name: patch.name }),
      ...(patch.metadata !== undefined && { metadata_json: JSON.stringify(patch.metadata) }),
      updated_at: now,
    })
    .where('number', '=', number)
    .execute()
}

/** Forgets an aggregate. Whoever calls makes sure that no host is in it. */
export async function deleteAggregate(trx: Db, number: number): Promise<void> {
  await trx.deleteFrom('aggregates').where('number', '=', number).execute()
}

/** Puts a host into an aggregate that it is not in. */
export async function addAggregateHost(trx: Db, number: number, host: string, now: number): Promise<void> {
  await trx.insertInto('aggregate_hosts').values({ aggregate_number: number, host }).execute()
  await updateAggregate(trx, number, {}, now)
}

/** Takes a host out of an aggregate. */
export async function removeAggregateHost(trx: Db, number: number, host: string, now: number): Promise<void> {
  await trx
    .deleteFrom('aggregate_hosts')
    .where('aggregate_number', '=', number)
    .where('host', '=', host)
    .execute()
  await updateAggregate(trx, number, {}, now)
}

/** Takes a host that is forgotten out of all aggregates. */
export async function removeHostFromAggregates(trx: Db, host: string): Promise<void> {
  await trx.deleteFrom('aggregate_hosts').where('host', '=', host).execute()
}

/** The zone of each host that has one through an aggregate; of these hosts, or of all. */
export async function zonesOfHosts(db: Db, hosts?: readonly string[]): Promise<Map<string, string>> {
  if (hosts?.length === 0) return new Map()
  let query = db
    .selectFrom('aggregate_hosts')
    .innerJoin('aggregates', 'aggregates.number', 'aggregate_hosts.aggregate_number')
    .select(['host', 'metadata_json'])
  if (hosts) query = query.where('host', 'in', hosts)
  const zones = new Map<string, string>()
  for (const row of await query.execute()) {
    const zone = (JSON.parse(row.metadata_json) as Record<string, string>)[zoneKey]
    if (zone !== undefined) zones.set(row.host, zone)
  }
  return zones
}

const aggregateFromRow = (row: Selectable<AggregatesTable>, hosts: string[]): Aggregate => ({
  number: row.number,
  id: row.id,
  name: row.name,
  metadata: JSON.parse(row.metadata_json) as Record<string, string>,
  hosts,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
