import type { HostDescription } from '../model/host.ts'
import type { Db } from './store.ts'

/** What the API shows of the host that a server is on. */
export interface HostFacts {
  name: string
  hypervisorHostname: string
  disabled: boolean
  forcedDown: boolean
  lastSeenAt: number
}

/** Facts of these hosts by name; unknown ones are left out. */
export async function hostFactsOf(db: Db, names: readonly string[]): Promise<Map<string, HostFacts>> {
  if (names.length === 0) return new Map()
  const facts = await selectFacts(db, names)
  return new Map(facts.map((one) => [one.name, one]))
}

/** The host with this name or with this hypervisor, whichever is given; undefined when there is none. */
export async function findHost(
  db: Db,
  wanted: { name?: string | undefined; hypervisorHostname?: string | undefined },
): Promise<HostFacts | undefined> {
  const facts = await selectFacts(db, wanted.name === undefined ? undefined : [wanted.name])
  return facts.find(
    ({ hypervisorHostname }) =>
      wanted.hypervisorHostname === undefined || hypervisorHostname === wanted.hypervisorHostname,
  )
}

async function selectFacts(db: Db, names: readonly string[] | undefined): Promise<HostFacts[]> {
  let query = db
    .selectFrom('hosts')
    .innerJoin('services', (join) =>
      join.onRef('services.host', '=', 'hosts.name').on('services.binary', '=', 'nova-compute'),
    )
    .select(['hosts.name', 'description_json', 'disabled', 'forced_down', 'last_seen_at'])
  if (names) query = query.where('hosts.name', 'in', names)
  const rows = await query.execute()
  return rows.map((row) => ({
    name: row.name,
    hypervisorHostname: (JSON.parse(row.description_json) as HostDescription).hypervisorHostname,
    disabled: row.disabled === 1,
    forcedDown: row.forced_down === 1,
    lastSeenAt: row.last_seen_at,
  }))
}
