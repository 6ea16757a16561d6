import { sql } from 'kysely'
import type { Db } from '../store/store.ts'

/**
 * Looks for states that the conductor promises never to leave behind. Returns one sentence for each that it finds,
 * naming ids; none when all is well. May be run at any time: what a live action is working on is in order.
 */
export async function findViolations(db: Db, now?: number): Promise<string[]> {
  const found: string[] = []
  for (const { query, sentence } of invariants) {
    const { rows } = await sql.raw<Row>(query).execute(db)
    found.push(...rows.map(sentence))
  }
  if (now !== undefined) {
    const late = await db
      .selectFrom('actions')
      .select(['id', 'server_id', 'name', 'deadline'])
      .where('finished_at', 'is', null)
      .where('deadline', '<', now - lateMs)
      .execute()
    for (const action of late)
      found.push(
        `action ${action.name} ${action.id} of server ${action.server_id} is ` +
          `${Math.round((now - action.deadline) / 1000)} s past its deadline`,
      )
  }
  return found
}

/** Unwinding may take this long after the deadline. */
const lateMs = 120_000

/** Columns of the queries below, each of which fills some. */
interface Row {
  id: string
  host: string
  state: string
  name: string
  resource: string
  noted: number
  summed: number
}

interface Invariant {
  query: string
  sentence: (row: Row) => string
}

const hasLiveAction = `exists (select 1 from actions a where a.server_id = s.id and a.finished_at is null)`

/** An administrator gave a server a state that its build had not come to: it is as he wants it. */
const isOverruled = `(exists (select 1 from actions r where r.server_id = s.id and r.name = 'resetState')
  and not exists (select 1 from actions c where c.server_id = s.id and c.name = 'create' and c.state = 'done'))`

const sumsOf = (resource: string): Invariant => ({
  query: `select h.name as host, '${resource}' as resource, h.used_${resource} as noted,
      coalesce((select sum(a.${resource}) from allocations a where a.host = h.name), 0) as summed
    from hosts h where h.used_${resource} <>
      coalesce((select sum(a.${resource}) from allocations a where a.host = h.name), 0)`,
  sentence: (row) =>
    `host ${row.host} has ${row.noted} of ${row.resource} noted as used, its allocations sum up to ${row.summed}`,
})

const usageOf = (resource: string, each: string): Invariant => ({
  query: `select n.* from (select u.project_id as id, u.user_id as name, '${resource}' as resource,
      u.${resource} as noted, coalesce((select sum(${each}) from servers s
        where s.project_id = u.project_id and s.user_id = u.user_id and s.deleted_at is null
        and s.vm_state <> 'soft-delete'), 0) as summed from quota_usage u) n where n.noted <> n.summed`,
  sentence: (row) =>
    `user ${row.name} has ${row.noted} of ${row.resource} noted as used in project ${row.id}, ` +
    `the servers sum up to ${row.summed}`,
})

/** Of a server on its way to another size the larger of both counts. */
const larger = (column: string): string =>
  `case when s.next_${column} > s.${column} then s.next_${column} else s.${column} end`

const invariants: Invariant[] = [
  {
    query: `select s.id, s.task_state as state from servers s
      where s.task_state is not null and s.deleted_at is null and not ${hasLiveAction}`,
    sentence: (row) => `server ${row.id} has the task ${row.state} and no action that works on it`,
  },
  {
    query: `select s.id from servers s
      where s.vm_state = 'building' and s.deleted_at is null and not ${hasLiveAction}`,
    sentence: (row) => `server ${row.id} is building and no action works on it`,
  },
  {
    query: `select a.id, a.name from actions a where a.finished_at is null
      and not exists (select 1 from servers s where s.id = a.server_id and s.deleted_at is null)`,
    sentence: (row) => `live action ${row.name} ${row.id} has no server`,
  },
  {
    query: `select a.id, a.name, a.state from actions a
      where (a.state in ('queued', 'running', 'unwinding')) <> (a.finished_at is null)`,
    sentence: (row) =>
      `action ${row.name} ${row.id} is ${row.state}, which its time of finishing contradicts`,
  },
  {
    query: `select a.id, a.name from actions a where a.finished_at is not null
      and exists (select 1 from action_steps t where t.action_id = a.id and t.finished_at is null)`,
    sentence: (row) => `action ${row.name} ${row.id} has ended with a step still open`,
  },
  {
    query: `select s.id, s.host from servers s
      where s.vm_state not in ('error', 'deleted', 'building', 'shelved_offloaded') and s.deleted_at is null
      and (s.host is null
        or not exists (select 1 from allocations a where a.server_id = s.id and a.host = s.host))
      and not ${hasLiveAction} and not ${isOverruled}`,
    sentence: (row) =>
      row.host
        ? `server ${row.id} is on host ${row.host} without an allocation`
        : `server ${row.id} has no host`,
  },
  {
    query: `select a.server_id as id, a.host from allocations a
      where not exists (select 1 from servers s where s.id = a.server_id and s.deleted_at is null)`,
    sentence: (row) => `host ${row.host} holds an allocation for ${row.id}, which is no server`,
  },
  {
    query: `select s.id, a.host from allocations a join servers s on s.id = a.server_id
      where s.deleted_at is null and (s.host is null or s.host <> a.host) and not ${hasLiveAction}
      and coalesce(s.resize_json, '') not like '%"' || a.host || '"%'
      and not exists (select 1 from migrations m where m.server_id = s.id and m.type = 'evacuation'
        and m.status = 'done' and m.source_host = a.host)`,
    sentence: (row) => `host ${row.host} holds an allocation for server ${row.id}, which is not on it`,
  },
  {
    query: `select s.id from servers s where s.vm_state = 'error' and s.deleted_at is null and s.host is null
      and not exists (select 1 from server_faults f where f.server_id = s.id) and not ${hasLiveAction} and not ${isOverruled}`,
    sentence: (row) => `server ${row.id} was never placed and has no fault that says why`,
  },
  {
    query: `select s.id from servers s
      where s.deleted_at is null and s.vm_state = 'resized' and s.resize_json is null`,
    sentence: (row) => `server ${row.id} waits for the confirmation of a resize that nobody knows`,
  },
  {
    query: `select m.server_id as id, m.status as state from migrations m
      where m.type in ('resize', 'migration')
      and m.status in ('pre-migrating', 'migrating', 'post-migrating', 'confirming', 'reverting')
      and not exists (select 1 from actions a where a.server_id = m.server_id and a.finished_at is null)`,
    sentence: (row) => `a migration of server ${row.id} is ${row.state} and no action works on it`,
  },
  sumsOf('vcpus'),
  sumsOf('memory_mib'),
  sumsOf('disk_gib'),
  usageOf('instances', '1'),
  usageOf('cores', larger('vcpus')),
  usageOf('ram', larger('memory_mib')),
  {
    query: `select name as host from hosts where used_vcpus < 0 or used_memory_mib < 0 or used_disk_gib < 0`,
    sentence: (row) => `host ${row.host} has less than nothing in use`,
  },
]
