import type { Selectable } from 'kysely'
import { LodgeError } from '../base/errors.ts'
import type { AgentsTable } from './schema.ts'
import type { Db } from './store.ts'

/** An agent that has joined: whom it may speak as, and by which key. */
export interface AgentRecord {
  host: string
  publicKey: string
  joinedAt: number
  revokedAt: number | null
}

export interface Invite {
  tokenHash: string
  /** The only name that may join with it; null: any that has not joined. */
  host: string | null
  createdAt: number
  expiresAt: number
  usedAt: number | null
}

export async function insertInvite(db: Db, invite: Omit<Invite, 'usedAt'>): Promise<void> {
  await db
    .insertInto('agent_invites')
    .values({
      token_hash: invite.tokenHash,
      host: invite.host,
      created_at: invite.createdAt,
      expires_at: invite.expiresAt,
      used_at: null,
    })
    .execute()
}

export async function findInvite(db: Db, tokenHash: string): Promise<Invite | undefined> {
  const row = await db
    .selectFrom('agent_invites')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
  return (
    row && {
      tokenHash: row.token_hash,
      host: row.host,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      usedAt: row.used_at,
    }
  )
}

/** False when it was used before, also by another controller at the same moment. */
export async function useInvite(db: Db, tokenHash: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('agent_invites')
    .set({ used_at: now })
    .where('token_hash', '=', tokenHash)
    .where('used_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Forgets invites that expired before that time. */
export async function trimInvites(db: Db, before: number): Promise<void> {
  await db.deleteFrom('agent_invites').where('expires_at', '<', before).execute()
}

export async function findAgent(db: Db, host: string): Promise<AgentRecord | undefined> {
  const row = await db.selectFrom('agents').selectAll().where('host', '=', host).executeTakeFirst()
  return row && recordOf(row)
}

export async function listAgents(db: Db): Promise<AgentRecord[]> {
  return (await db.selectFrom('agents').selectAll().orderBy('host').execute()).map(recordOf)
}

/**
 * The host's agent has this key from now on. With `alone` it has no other: those of before are revoked.
 * @throws LodgeError conflict when an agent has, or had, the key
 */
export async function saveAgent(
  trx: Db,
  agent: Omit<AgentRecord, 'revokedAt'>,
  { alone }: { alone: boolean },
): Promise<void> {
  if (alone) await revokeKeys(trx, agent.host, agent.joinedAt)
  const key = { public_key: agent.publicKey, host: agent.host, revoked_at: null }
  const inserted = await trx
    .insertInto('agent_keys')
    .values(key)
    .onConflict((conflict) => conflict.column('public_key').doNothing())
    .executeTakeFirst()
  if (!inserted.numInsertedOrUpdatedRows)
    throw new LodgeError('conflict', 'An agent joined with this key before: make a new one.')
  const values = { public_key: agent.publicKey, joined_at: agent.joinedAt, revoked_at: null }
  await trx
    .insertInto('agents')
    .values({ host: agent.host, ...values })
    .onConflict((conflict) => conflict.column('host').doUpdateSet(values))
    .execute()
}

/** The agent whose keys count no more; undefined when there is none. */
export async function revokeAgent(trx: Db, host: string, now: number): Promise<AgentRecord | undefined> {
  await revokeKeys(trx, host, now)
  await trx
    .updateTable('agents')
    .set({ revoked_at: now })
    .where('host', '=', host)
    .where('revoked_at', 'is', null)
    .execute()
  return findAgent(trx, host)
}

/** All keys that count no more. */
export async function revokedKeys(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('agent_keys')
    .select('public_key')
    .where('revoked_at', 'is not', null)
    .orderBy('public_key')
    .execute()
  return rows.map((row) => row.public_key)
}

async function revokeKeys(trx: Db, host: string, now: number): Promise<void> {
  await trx
    .updateTable('agent_keys')
    .set({ revoked_at: now })
    .where('host', '=', host)
    .where('revoked_at', 'is', null)
    .execute()
}

const recordOf = (row: Selectable<AgentsTable>): AgentRecord => ({
  host: row.host,
  publicKey: row.public_key,
  joinedAt: row.joined_at,
  revokedAt: row.revoked_at,
})
