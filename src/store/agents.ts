import type { Selectable } from 'kysely'
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

/** The host's agent has this key from now on, and no other. */
export async function saveAgent(db: Db, agent: Omit<AgentRecord, 'revokedAt'>): Promise<void> {
  const values = { public_key: agent.publicKey, joined_at: agent.joinedAt, revoked_at: null }
  await db
    .insertInto('agents')
    .values({ host: agent.host, ...values })
    .onConflict((conflict) => conflict.column('host').doUpdateSet(values))
    .execute()
}

/** The agent whose key counts no more; undefined when there is none. */
export async function revokeAgent(db: Db, host: string, now: number): Promise<AgentRecord | undefined> {
  await db
    .updateTable('agents')
    .set({ revoked_at: now })
    .where('host', '=', host)
    .where('revoked_at', 'is', null)
    .execute()
  return findAgent(db, host)
}

const recordOf = (row: Selectable<AgentsTable>): AgentRecord => ({
  host: row.host,
  publicKey: row.public_key,
  joinedAt: row.joined_at,
  revokedAt: row.revoked_at,
})
