/**
 * The states of a server, with Nova's strings: `vm_state` is what the server is, `task_state` what is being done
 * to it, `power_state` what the hypervisor says of the guest. `status` is the one word a client sees.
 */
export const vmStates = [
  'active',
  'building',
  'paused',
  'suspended',
  'stopped',
  'rescued',
  'resized',
  'soft-delete',
  'deleted',
  'error',
  'shelved',
  'shelved_offloaded',
] as const
export type VmState = (typeof vmStates)[number]

export const taskStates = [
  'scheduling',
  'block_device_mapping',
  'networking',
  'spawning',
  'image_snapshot',
  'image_snapshot_pending',
  'image_pending_upload',
  'image_uploading',
  'image_backup',
  'updating_password',
  'resize_prep',
  'resize_migrating',
  'resize_migrated',
  'resize_finish',
  'resize_reverting',
  'resize_confirming',
  'rebooting',
  'reboot_pending',
  'reboot_started',
  'rebooting_hard',
  'reboot_pending_hard',
  'reboot_started_hard',
  'pausing',
  'unpausing',
  'suspending',
  'resuming',
  'powering-off',
  'powering-on',
  'rescuing',
  'unrescuing',
  'rebuilding',
  'rebuild_block_device_mapping',
  'rebuild_spawning',
  'migrating',
  'deleting',
  'soft-deleting',
  'restoring',
  'shelving',
  'shelving_image_pending_upload',
  'shelving_image_uploading',
  'shelving_offloading',
  'unshelving',
] as const
export type TaskState = (typeof taskStates)[number]

/** Power states as numbers of the API (Nova's `OS-EXT-STS:power_state`). */
export const powerState = {
  NOSTATE: 0,
  RUNNING: 1,
  PAUSED: 3,
  SHUTDOWN: 4,
  CRASHED: 6,
  SUSPENDED: 7,
} as const
export type PowerState = (typeof powerState)[keyof typeof powerState]

const defaultStatus: Record<VmState, string> = {
  active: 'ACTIVE',
  building: 'BUILD',
  paused: 'PAUSED',
  suspended: 'SUSPENDED',
  stopped: 'SHUTOFF',
  rescued: 'RESCUE',
  resized: 'VERIFY_RESIZE',
  'soft-delete': 'SOFT_DELETED',
  deleted: 'DELETED',
  error: 'ERROR',
  shelved: 'SHELVED',
  shelved_offloaded: 'SHELVED_OFFLOADED',
}

const rebuild = {
  rebuilding: 'REBUILD',
  rebuild_block_device_mapping: 'REBUILD',
  rebuild_spawning: 'REBUILD',
} as const

const resize = {
  resize_prep: 'RESIZE',
  resize_migrating: 'RESIZE',
  resize_migrated: 'RESIZE',
  resize_finish: 'RESIZE',
} as const

const statusDuringTask: Partial<Record<VmState, Partial<Record<TaskState, string>>>> = {
  active: {
    rebooting: 'REBOOT',
    reboot_pending: 'REBOOT',
    reboot_started: 'REBOOT',
    rebooting_hard: 'HARD_REBOOT',
    reboot_pending_hard: 'HARD_REBOOT',
    reboot_started_hard: 'HARD_REBOOT',
    updating_password: 'PASSWORD',
    migrating: 'MIGRATING',
    ...rebuild,
    ...resize,
  },
  stopped: { ...resize, ...rebuild },
  resized: { resize_reverting: 'REVERT_RESIZE' },
  paused: { migrating: 'MIGRATING' },
  error: rebuild,
}

/** The status word of the API, by Nova's table. */
export function statusOf(vm: VmState, task: TaskState | null): string {
  return (task && statusDuringTask[vm]?.[task]) ?? defaultStatus[vm]
}

/** One way to have a status: this vm_state with one of the tasks `only` (any when null), yet none of `except`. */
export interface StatusCondition {
  vm: VmState
  only: TaskState[] | null
  except: TaskState[]
}

/** All the ways to have a status word, for list filters. Empty for a word that no server can have. */
export function conditionsOfStatus(status: string): StatusCondition[] {
  const wanted = status.toUpperCase()
  const conditions: StatusCondition[] = []
  for (const vm of vmStates) {
    const overrides = Object.entries(statusDuringTask[vm] ?? {}) as [TaskState, string][]
    const matching = overrides.filter(([, word]) => word === wanted).map(([task]) => task)
    if (defaultStatus[vm] === wanted)
      conditions.push({ vm, only: null, except: overrides.map(([task]) => task) })
    else if (matching.length > 0) conditions.push({ vm, only: matching, except: [] })
  }
  return conditions
}
