import type { Selectable } from 'kysely'
import { newUuid } from '../base/ids.ts'
import { locksRows } from './row-locks.ts'
import type { ServicesTable } from './schema.ts'
import type { Db } from './store.ts'

export type ServiceBinary = ServicesTable['binary']

/** A part of the deployment that says it is alive. */
export interface Service {
  number: number
  id: string
  binary: ServiceBinary
  host: string
  disabled: boolean
  disabledReason: string | null
  forcedDown: boolean
  /** Of the last heartbeat; what clients know as `updated_at` is the later of this and `updatedAt`. */
  lastSeenAt: number
  createdAt: number
  /** Of the last change by an operator; heartbeats leave it, so that it tells when the scheduler must look again. */
  updatedAt: number
}

/** Services in order of their numbers. */
export async function listServices(
  db: Db,
  filter: { binary?: string; host?: string } = {},
): Promise<Service[]> {
  let query = db.selectFrom('services').selectAll()
  if (filter.binary !== undefined) query = query.where('binary', '=', filter.binary as ServiceBinary)
  if (filter.host !== undefined) query = query.where('host', '=', filter.host)
  const rows = await query.orderBy('number').execute()
  return rows.map(serviceFromRow)
}

/** One service by its UUID, or undefined. */
export async function getService(db: Db, id: string): Promise<Service | undefined> {
  const row = await db.selectFrom('services').selectAll().where('id', '=', id).executeTakeFirst()
  return row && serviceFromRow(row)
}

/** An operator's change. Returns whether there is such a service. */
export async function updateService(
  db: Db,
  id: string,
  patch: Partial<Pick<Service, 'disabled' | 'disabledReason' | 'forcedDown'>>,
  now: number,
): Promise<boolean> {
  const result = await db
    .updateTable('services')
    .set({
      ...(patch.disabled === undefined ? {} : { disabled: patch.disabled ? 1 : 0 }),
      ...(patch.disabledReason === undefined ? {} : { disabled_reason: patch.disabledReason }),
      ...(patch.forcedDown === undefined ? {} : { forced_down: patch.forcedDown ? 1 : 0 }),
      updated_at: now,
    })
    .where('id', '=', id)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Forgets a service. Its part, if it still lives, comes back with its next heartbeat. */
export async function deleteService(db: Db, id: string): Promise<void> {
  await db.deleteFrom('services').where('id', '=', id).execute()
}

/** Makes a service known that is not yet; new ones are enabled. */
export const ensureService = (
  trx: Db,
  { binary, host }: { binary: ServiceBinary; host: string },
  now: number,
): Promise<void> => ensureServices(trx, binary, [host], now)

/** The same on many hosts, in one statement. */
export async function ensureServices(
  trx: Db,
  binary: ServiceBinary,
  hosts: readonly string[],
  now: number,
): Promise<void> {
  if (hosts.length === 0) return
  await trx
    .insertInto('services')
    .values(
      hosts.toSorted().map((host) => ({
        id: newUuid(),
        binary,
        host,
        disabled: 0,
        disabled_reason: null,
        forced_down: 0,
        last_seen_at: now,
        created_at: now,
        updated_at: now,
      })),
    )
    .onConflict((conflict) => conflict.columns(['host', 'binary']).doNothing())
    .execute()
}

/** Which of these hosts have no such service, in the order in which they are given. */
export async function hostsWithoutService(
  db: Db,
  binary: ServiceBinary,
  hosts: readonly string[],
): Promise<string[]> {
  if (hosts.length === 0) return []
  const rows = await db
    .selectFrom('services')
    .select('host')
    .where('binary', '=', binary)
    .where('host', 'in', hosts)
    .execute()
  const present = new Set(rows.map(({ host }) => host))
  return hosts.filter((host) => !present.has(host))
}

/**
 * Heartbeats of many hosts in one statement. Returns how many were written: those of unknown hosts are not, nor those
 * of services that another controller writes at the moment, or that were seen up to `withinMs` ago.
 */
export async function touchServices(
  trx: Db,
  binary: ServiceBinary,
  hosts: readonly string[],
  now: number,
  withinMs = 0,
): Promise<number> {
  if (hosts.length === 0) return 0
  let wanted = trx
    .selectFrom('services')
    .select('number')
    .where('binary', '=', binary)
    .where('host', 'in', hosts)
  // One that seems to be seen in the future was, before the clock was set back.
  if (withinMs > 0)
    wanted = wanted.where((is) =>
      is.or([is('last_seen_at', '<', now - withinMs), is('last_seen_at', '>', now)]),
    )
  if (locksRows(trx)) wanted = wanted.forUpdate().skipLocked()
  const result = await trx
    .updateTable('services')
    .set({ last_seen_at: now })
    .where('number', 'in', wanted)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

function serviceFromRow(row: Selectable<ServicesTable>): Service {
  return {
    number: row.number,
    id: row.id,
    binary: row.binary,
    host: row.host,
    disabled: row.disabled === 1,
    disabledReason: row.disabled_reason,
    forcedDown: row.forced_down === 1,
    lastSeenAt: row.last_seen_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
