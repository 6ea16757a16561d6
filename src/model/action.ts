import type { Config } from '../base/config.ts'
import type { ServerFlavor, ServerImage } from './server-spec.ts'

/** Actions that the conductor works on, with Nova's names. */
export const conductedActions = [
  'create',
  'delete',
  'start',
  'stop',
  'reboot',
  'pause',
  'unpause',
  'suspend',
  'resume',
  'createImage',
  'createBackup',
  'rebuild',
  'live-migration',
  'live_migration_cancel',
  'live_migration_force_complete',
  'resize',
  'migrate',
  'confirmResize',
  'revertResize',
  'evacuate',
  'restore',
] as const
export type ConductedAction = (typeof conductedActions)[number]

/** Actions that the API does at once and only records. */
export type RecordedAction = 'lock' | 'unlock' | 'resetState'
export type ActionName = ConductedAction | RecordedAction

/** What each action's request says beyond the server. */
export interface ActionParams {
  create: {
    /** From an availability zone of the form `zone:host`: filters are skipped, the claim is still made, no retry. */
    forcedHost?: string | null
    /** `host` or `hypervisor_hostname` of microversion 2.74: filters run on this host alone. */
    requestedHost?: string | null
  }
  delete: {
    /** Powers the guest off and keeps all, until it is restored or its time is up. */
    soft?: boolean
  }
  start: object
  stop: object
  reboot: { type: 'SOFT' | 'HARD' }
  pause: object
  unpause: object
  suspend: object
  resume: object
  /** The image record exists already, queued. */
  createImage: { imageId: string; diskFormat?: 'qcow2' | 'raw' }
  /** As `createImage`; of the server's backups of that type the newest `rotation` are kept. */
  createBackup: { imageId: string; backupType: string; rotation: number }
  /** The server's record has the new image already. */
  rebuild: {
    formerImage: ServerImage | null
    /** Leaves the guest off, as it was. */
    stop: boolean
  }
  'live-migration': {
    /** null: the scheduler chooses. */
    host: string | null
    /** The host is taken without asking the filters. */
    force: boolean
    /** `auto`: disks are sent unless both hosts see them. Else a move of the other kind is refused. */
    blockMigration: boolean | 'auto'
    /** Whatever the forecast says. */
    confirmed?: boolean
  }
  /** The record's UUID. */
  live_migration_cancel: { migrationId: string }
  live_migration_force_complete: { migrationId: string }
  resize: { flavor: ServerFlavor }
  /** Cold; without a host the scheduler chooses. */
  migrate: {
    host?: string | null
    /** Its host is being emptied: nobody needs to confirm it. */
    drain?: boolean
  }
  confirmResize: object
  revertResize: object
  evacuate: {
    host?: string | null
    /** The host is taken without asking the scheduler's filters. */
    force?: boolean
    /** Leaves the guest off on its new host, as from microversion 2.95 on. */
    stop: boolean
  }
  restore: object
  lock: object
  unlock: object
  resetState: object
}

/**
 * queued → running → done
 *             ↓
 *         unwinding → failed
 *
 * `recorded`: done at once in the API.
 */
export type ActionState = 'queued' | 'running' | 'unwinding' | 'done' | 'failed' | 'recorded'

/** States of an action that a conductor still has to bring to an end. */
export const liveActionStates = ['queued', 'running', 'unwinding'] as const

/** A durable action on a server. Times are milliseconds since 1970. */
export interface Action {
  /** Counts actions in order of their beginning. */
  number: number
  id: string
  serverId: string
  requestId: string
  projectId: string
  userId: string
  name: ActionName
  state: ActionState
  params: Record<string, unknown>
  /** What the steps so far found out, for later ones. */
  progress: Record<string, unknown>
  /** Index of the current step; -1 before the first. */
  step: number
  leaseOwner: string | null
  leaseUntil: number
  deadline: number
  /** `Error` if a step failed. */
  message: string | null
  startedAt: number
  updatedAt: number
  finishedAt: number | null
}

/** One run of a step, as the API shows it: Nova's event of an instance action. */
export interface ActionStep {
  number: number
  actionId: string
  event: string
  host: string | null
  result: 'Success' | 'Error' | null
  details: string | null
  traceback: string | null
  startedAt: number
  finishedAt: number | null
}

/** When an action that begins now must have come to an end, one way or the other. */
export function actionDeadline(name: ActionName, now: number, settings: Config['conductor']): number {
  return now + timeoutOf(name, settings) * 1000
}

function timeoutOf(name: ActionName, settings: Config['conductor']): number {
  if (name === 'create' || name === 'rebuild') return settings.buildTimeoutSeconds
  if (name === 'live-migration') return settings.migrationTimeoutSeconds
  return movesDisks.has(name) ? settings.moveTimeoutSeconds : settings.actionTimeoutSeconds
}

/** These may have to send a whole disk from one host to another. */
const movesDisks: ReadonlySet<ActionName> = new Set<ActionName>(['resize', 'migrate', 'evacuate'])
