import type { Selectable } from 'kysely'
import type { TokenRecord } from '../model/identity.ts'
import type { TokensTable } from './schema.ts'
import type { Db } from './store.ts'

export async function insertToken(db: Db, token: TokenRecord): Promise<void> {
  await db
    .insertInto('tokens')
    .values({
      hash: token.hash,
      audit_id: token.auditId,
      user_id: token.userId,
      project_id: token.projectId,
      domain_id: token.domainId,
      system: token.system ? 1 : 0,
      methods_json: JSON.stringify(token.methods),
      issued_at: token.issuedAt,
      expires_at: token.expiresAt,
    })
    .execute()
}

/** The token with this hash, or undefined. It may have expired. */
export async function findToken(db: Db, hash: string): Promise<TokenRecord | undefined> {
  const row = await db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst()
  return row && recordOf(row)
}

export async function deleteToken(db: Db, hash: string): Promise<void> {
  await db.deleteFrom('tokens').where('hash', '=', hash).execute()
}

/** Revokes all that was given to a user. */
export async function deleteTokensOfUser(db: Db, userId: string): Promise<void> {
  await db.deleteFrom('tokens').where('user_id', '=', userId).execute()
}

/** Revokes what is scoped to a project. */
export async function deleteTokensOfProject(db: Db, projectId: string): Promise<void> {
  await db.deleteFrom('tokens').where('project_id', '=', projectId).execute()
}

/** Revokes what is scoped to a domain. */
export async function deleteTokensOfDomain(db: Db, domainId: string): Promise<void> {
  await db.deleteFrom('tokens').where('domain_id', '=', domainId).execute()
}

export async function deleteExpiredTokens(db: Db, now: number): Promise<void> {
  await db.deleteFrom('tokens').where('expires_at', '<=', now).execute()
}

const recordOf = (row: Selectable<TokensTable>): TokenRecord => ({
  hash: row.hash,
  auditId: row.audit_id,
  userId: row.user_id,
  projectId: row.project_id,
  domainId: row.domain_id,
  system: row.system === 1,
  methods: JSON.parse(row.methods_json) as string[],
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
})
