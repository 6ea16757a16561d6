import type { Db } from './store.ts'

/** Gives a flavor its number, unless one with this id has had it before. Run it in a transaction. */
export async function numberFlavor(trx: Db, flavorId: string): Promise<void> {
  await trx
    .insertInto('flavor_numbers')
    .values({ flavor_id: flavorId })
    .onConflict((conflict) => conflict.column('flavor_id').doNothing())
    .execute()
}

/** The numbers of flavors by their ids, of those that are gone, too; Nova's `instance_type_id`. */
export async function flavorNumbersOf(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('flavor_numbers').selectAll().where('flavor_id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.flavor_id, row.number]))
}
