import type { Clock } from '../base/clock.ts'
import type { Store } from '../store/store.ts'

/** Names of projects and users, which a server's domain carries for people who look at the host. */
export interface OwnerNames {
  of(projectId: string, userId: string): Promise<{ projectName: string; userName: string }>
}

const keptMs = 60_000
const keptNames = 10_000

/** Looks names up and remembers them for a minute. Who is gone by now is called by the id. */
export function createOwnerNames(store: Store, clock: Clock): OwnerNames {
  const known = new Map<string, { name: string; until: number }>()

  async function nameOf(table: 'projects' | 'users', id: string): Promise<string> {
    const key = `${table}/${id}`
    const kept = known.get(key)
    if (kept && kept.until > clock.now()) return kept.name
    const row = await store.db.selectFrom(table).select('name').where('id', '=', id).executeTakeFirst()
    const name = row?.name ?? id
    if (known.size >= keptNames) known.clear()
    known.set(key, { name, until: clock.now() + keptMs })
    return name
  }

  return {
    of: async (projectId, userId) => ({
      projectName: await nameOf('projects', projectId),
      userName: await nameOf('users', userId),
    }),
  }
}
