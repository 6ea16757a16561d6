import type { TaskState, VmState } from './server-state.ts'

/** What a server must be for an action to be taken on it; one row an action, by Nova's checks. */
export interface AllowedStates {
  vm: readonly VmState[] | 'any'
  /** `none`: no task may be running. A list names tasks that are allowed besides none. */
  task: 'any' | 'none' | readonly TaskState[]
  /** A non-administrator is refused while the server is locked. */
  checksLock: boolean
  /** The server must have a host. */
  needsHost: boolean
}

const row = (
  vm: AllowedStates['vm'],
  task: AllowedStates['task'] = 'none',
  more: Partial<AllowedStates> = {},
): AllowedStates => ({ vm, task, checksLock: true, needsHost: true, ...more })

/** Tasks about the guest where it is: a soft delete may end them, while what moves it must come to its own end. */
const tasksInPlace: readonly TaskState[] = [
  'powering-off',
  'powering-on',
  'rebooting',
  'reboot_pending',
  'reboot_started',
  'rebooting_hard',
  'pausing',
  'unpausing',
  'suspending',
  'resuming',
]

export const allowedStates = {
  delete: row('any', 'any', { needsHost: false }),
  'soft-delete': row('any', tasksInPlace, { needsHost: false }),
  restore: row(['soft-delete']),
  start: row(['stopped']),
  stop: row(['active', 'error']),
  'reboot-soft': row(['active']),
  'reboot-hard': row(
    ['active', 'stopped', 'paused', 'suspended', 'error'],
    [
      'rebooting',
      'reboot_pending',
      'reboot_started',
      'rebooting_hard',
      'resuming',
      'unpausing',
      'pausing',
      'suspending',
    ],
  ),
  pause: row(['active']),
  unpause: row(['paused']),
  suspend: row(['active']),
  resume: row(['suspended']),
  createImage: row(['active', 'stopped', 'paused', 'suspended'], 'none', { checksLock: false }),
  createBackup: row(['active', 'stopped', 'paused', 'suspended'], 'none', { checksLock: false }),
  rebuild: row(['active', 'stopped', 'error']),
  'live-migration': row(['active', 'paused']),
  resize: row(['active', 'stopped']),
  migrate: row(['active', 'stopped']),
  confirmResize: row(['resized']),
  revertResize: row(['resized']),
  evacuate: row(['active', 'stopped', 'error'], 'any', { checksLock: false }),
  metadata: row(['active', 'paused', 'suspended', 'stopped'], 'any', { needsHost: false }),
  update: row('any', 'any', { checksLock: false, needsHost: false }),
} as const satisfies Record<string, AllowedStates>

export type GuardedAction = keyof typeof allowedStates

/** Nova's name of the action in the sentence "Cannot '<name>' instance ...". */
export const refusalNames: Record<GuardedAction, string> = {
  delete: 'delete',
  'soft-delete': 'delete',
  restore: 'restore',
  start: 'start',
  stop: 'stop',
  'reboot-soft': 'reboot',
  'reboot-hard': 'reboot',
  pause: 'pause',
  unpause: 'unpause',
  suspend: 'suspend',
  resume: 'resume',
  createImage: 'createImage',
  createBackup: 'createBackup',
  rebuild: 'rebuild',
  'live-migration': 'os-migrateLive',
  resize: 'resize',
  migrate: 'migrate',
  confirmResize: 'confirmResize',
  revertResize: 'revertResize',
  evacuate: 'evacuate',
  metadata: 'update metadata',
  update: 'update',
}
