import type { Db } from './store.ts'

/** Names of the hosts that are being emptied, or are empty and are to stay so. */
export async function hostsInMaintenance(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('hosts')
    .select('name')
    .where('maintenance', '=', 1)
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name)
}

/** Nothing is placed on a host in maintenance. Returns whether there is such a host. */
export async function setMaintenance(trx: Db, host: string, on: boolean, now: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('hosts')
    .set({ maintenance: on ? 1 : 0 })
    .where('name', '=', host)
    .executeTakeFirst()
  // The scheduler looks anew when a service was changed by an operator.
  await trx
    .updateTable('services')
    .set({ updated_at: now })
    .where('host', '=', host)
    .where('binary', '=', 'nova-compute')
    .execute()
  return numUpdatedRows > 0n
}

/** Whether the host is in maintenance; undefined when there is no such host. */
export async function isInMaintenance(db: Db, host: string): Promise<boolean | undefined> {
  const row = await db.selectFrom('hosts').select('maintenance').where('name', '=', host).executeTakeFirst()
  return row && row.maintenance === 1
}
