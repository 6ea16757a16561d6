import type { Selectable } from 'kysely'
import { LodgeError } from '../base/errors.ts'
import type { KeyPair } from '../model/key-pair.ts'
import { lockName } from './row-locks.ts'
import type { KeyPairsTable } from './schema.ts'
import type { Db } from './store.ts'

/** A user's key pair of this name, or undefined. */
export async function getKeyPair(db: Db, userId: string, name: string): Promise<KeyPair | undefined> {
  const row = await db
    .selectFrom('key_pairs')
    .selectAll()
    .where('user_id', '=', userId)
    .where('name', '=', name)
    .executeTakeFirst()
  return row && keyPairOf(row)
}

/** A user's key pairs by name, from after `marker` (the name of one; `badRequest` if there is none). */
export async function listKeyPairs(
  db: Db,
  userId: string,
  page: { marker?: string; limit: number },
): Promise<KeyPair[]> {
  let query = db.selectFrom('key_pairs').selectAll().where('user_id', '=', userId)
  if (page.marker !== undefined) {
    if (!(await getKeyPair(db, userId, page.marker)))
      throw new LodgeError('badRequest', `marker [${page.marker}] not found`)
    query = query.where('name', '>', page.marker)
  }
  const rows = await query.orderBy('name').limit(page.limit).execute()
  return rows.map(keyPairOf)
}

/** How many a user has. Counted in a transaction, nobody else counts this user's until that ends. */
export async function countKeyPairs(db: Db, userId: string): Promise<number> {
  await lockName(db, 'key pairs', userId)
  const row = await db
    .selectFrom('key_pairs')
    .select((eb) => eb.fn.countAll<number | bigint | string>().as('count'))
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Adds a key pair. Throws `conflict` if the user has one of this name. Run it in a transaction. */
export async function insertKeyPair(db: Db, keyPair: Omit<KeyPair, 'number'>): Promise<void> {
  if (await getKeyPair(db, keyPair.userId, keyPair.name))
    throw new LodgeError('conflict', `Key pair '${keyPair.name}' already exists.`)
  await db
    .insertInto('key_pairs')
    .values({
      user_id: keyPair.userId,
      name: keyPair.name,
      type: keyPair.type,
      fingerprint: keyPair.fingerprint,
      public_key: keyPair.publicKey,
      created_at: keyPair.createdAt,
    })
    .execute()
}

/** Removes a key pair; false if there was none. */
export async function deleteKeyPair(db: Db, userId: string, name: string): Promise<boolean> {
  const result = await db
    .deleteFrom('key_pairs')
    .where('user_id', '=', userId)
    .where('name', '=', name)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

const keyPairOf = (row: Selectable<KeyPairsTable>): KeyPair => ({
  number: row.number,
  userId: row.user_id,
  name: row.name,
  type: row.type,
  fingerprint: row.fingerprint,
  publicKey: row.public_key,
  createdAt: row.created_at,
})
