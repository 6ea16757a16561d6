/** A server's way from one host to another, or to another size; Nova's migration record. */
export interface Migration {
  /** The id of the API; counts from 1. */
  number: number
  id: string
  serverId: string
  /** Of the action that moves the server. */
  requestId: string
  projectId: string
  userId: string
  type: MigrationType
  status: MigrationStatus
  sourceHost: string | null
  destHost: string | null
  oldFlavorId: string
  newFlavorId: string
  progress: MigrationProgress
  /** Milliseconds since 1970. */
  createdAt: number
  updatedAt: number
}

export type MigrationType = 'migration' | 'resize' | 'live-migration' | 'evacuation'

/** Nova's words, whatever the type. */
export type MigrationStatus =
  | 'accepted'
  | 'queued'
  | 'preparing'
  | 'running'
  | 'running (post-copy)'
  | 'pre-migrating'
  | 'migrating'
  | 'post-migrating'
  | 'finished'
  | 'confirming'
  | 'confirmed'
  | 'reverting'
  | 'reverted'
  | 'done'
  | 'completed'
  | 'cancelled'
  | 'failed'
  | 'error'

/** How much has been copied; null while nothing is known. In bytes. */
export interface MigrationProgress {
  memoryTotalBytes?: number
  memoryProcessedBytes?: number
  memoryRemainingBytes?: number
  diskTotalBytes?: number
  diskProcessedBytes?: number
  diskRemainingBytes?: number
  /** Why it did not come about, or was refused. */
  reason?: string
}

/** Ended, one way or another: such a migration holds nothing of any host any more. */
export const endedMigrationStatuses: readonly MigrationStatus[] = [
  'confirmed',
  'reverted',
  'error',
  'failed',
  'completed',
  'cancelled',
  'done',
]

/** A live migration that `GET /servers/{id}/migrations` shows. */
export const liveMigrationStatuses: readonly MigrationStatus[] = [
  'queued',
  'preparing',
  'running',
  'running (post-copy)',
  'post-migrating',
]

/** A live migration that has not ended. */
export const openMigrationStatuses: readonly MigrationStatus[] = ['accepted', ...liveMigrationStatuses]
