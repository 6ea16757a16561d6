import type { Config } from '../base/config.ts'
import { statusOf, type TaskState, type VmState } from '../model/server-state.ts'
import type { HostDescription } from '../model/host.ts'
import type { Resources } from '../model/server-spec.ts'
import type { Store } from '../store/store.ts'
import { openStoreReadOnly } from './open-store.ts'
import { stateDirectory } from './state-directory.ts'
import { isLocked } from './state-lock.ts'

export interface Status {
  stateDirectory: string
  running: boolean
  hosts: HostStatus[]
  serversByStatus: Record<string, number>
  liveActions: number
}

export interface HostStatus {
  name: string
  /** Its agent was heard of within `hosts.downAfterSeconds`. */
  up: boolean
  hypervisor: string
  accelerationReason: string
  used: Resources
  capacity: Resources
}

/**
 * What the state directory tells of a Lodge that runs or ran on it. Changes nothing.
 * @throws LodgeError badRequest when there is no Lodge state in it
 */
export async function readStatus(config: Config): Promise<Status> {
  const store = await openStoreReadOnly(config, stateDirectory(config.stateDirectory))
  try {
    const servers = await store.db
      .selectFrom('servers')
      .select(['vm_state', 'task_state', (of) => of.fn.countAll<number>().as('count')])
      .where('deleted_at', 'is', null)
      .groupBy(['vm_state', 'task_state'])
      .execute()
    const serversByStatus: Record<string, number> = {}
    for (const row of servers) {
      const word = statusOf(row.vm_state as VmState, row.task_state as TaskState | null)
      serversByStatus[word] = (serversByStatus[word] ?? 0) + row.count
    }
    const live = await store.db
      .selectFrom('actions')
      .select((of) => of.fn.countAll<number>().as('count'))
      .where('finished_at', 'is', null)
      .executeTakeFirstOrThrow()
    const state = stateDirectory(config.stateDirectory)
    return {
      stateDirectory: state.root,
      running: isLocked(state.lock),
      hosts: await readHosts(store, config.hosts.downAfterSeconds),
      serversByStatus,
      liveActions: live.count,
    }
  } finally {
    await store.close()
  }
}

async function readHosts(store: Store, downAfterSeconds: number): Promise<HostStatus[]> {
  const rows = await store.db
    .selectFrom('hosts')
    .innerJoin('services', (join) =>
      join.onRef('services.host', '=', 'hosts.name').on('services.binary', '=', 'nova-compute'),
    )
    .selectAll('hosts')
    .select('services.last_seen_at')
    .orderBy('hosts.name')
    .execute()
  return rows.map((row) => {
    const description = JSON.parse(row.description_json) as HostDescription
    return {
      name: row.name,
      up: Date.now() - row.last_seen_at <= downAfterSeconds * 1000,
      hypervisor: description.hypervisorType,
      accelerationReason: description.accelerationReason,
      used: { vcpus: row.used_vcpus, memoryMiB: row.used_memory_mib, diskGiB: row.used_disk_gib },
      capacity: {
        vcpus: row.capacity_vcpus,
        memoryMiB: row.capacity_memory_mib,
        diskGiB: row.capacity_disk_gib,
      },
    }
  })
}
