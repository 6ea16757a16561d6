import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { HostTable } from './host-table.ts'
import type { PlaceRequest } from './place-request.ts'

/** Whether the host at an index passes. */
export type Check = (index: number) => boolean

/** One rule that turns hosts away. */
export interface Filter {
  /** Nova's name, or a word of ours for what is always asked. */
  name: string
  /**
   * Reads the request once, and returns the check of each host; null when the request has nothing that the filter
   * would look at, so that it costs nothing.
   */
  prepare(request: PlaceRequest, table: HostTable, settings: SchedulerConfig): Check | null
}

export const passNone: Check = () => false
