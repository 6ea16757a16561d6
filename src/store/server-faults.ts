import type { Db } from './store.ts'

/** What went wrong with a server, as the API shows it. */
export interface ServerFault {
  /** 400-599, as in HTTP. */
  code: number
  /** For the user, at most 255 characters. */
  message: string
  /** For administrators. */
  details: string
  createdAt: number
}

/** The longest message that Nova's field holds. */
const messageLength = 255

/** Adds a fault; the newest is the one that is shown. */
export async function insertFault(trx: Db, serverId: string, fault: ServerFault): Promise<void> {
  await trx
    .insertInto('server_faults')
    .values({
      server_id: serverId,
      code: fault.code,
      message: fault.message.slice(0, messageLength),
      details: fault.details,
      created_at: fault.createdAt,
    })
    .execute()
}

/** The newest fault of each of these servers that has one. */
export async function latestFaults(db: Db, serverIds: readonly string[]): Promise<Map<string, ServerFault>> {
  const faults = new Map<string, ServerFault>()
  if (serverIds.length === 0) return faults
  const rows = await db
    .selectFrom('server_faults')
    .selectAll()
    .where('number', 'in', (newest) =>
      newest
        .selectFrom('server_faults')
        .select((of) => of.fn.max('number').as('number'))
        .where('server_id', 'in', serverIds)
        .groupBy('server_id'),
    )
    .execute()
  for (const row of rows) {
    faults.set(row.server_id, {
      code: row.code,
      message: row.message,
      details: row.details,
      createdAt: row.created_at,
    })
  }
  return faults
}
