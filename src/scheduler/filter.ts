import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { HostTable } from './host-table.ts'
import type { PlaceRequest } from './place-request.ts'

/** Whether the host at an index passes. */
export type Check = (index: number) => boolean

/** The hosts pass whose number in the column lies between these, both included: much faster than a check of each. */
export interface ColumnCheck {
  column: Float64Array
  least: number
  most: number
}

/** One rule that turns hosts away. */
export interface Filter {
  /** Nova's name, or a word of ours for what is always asked. */
  name: string
  /**
   * Reads the request once, and returns the check of each host; null when the request has nothing that the filter
   * would look at, so that it costs nothing.
   */
  prepare(request: PlaceRequest, table: HostTable, settings: SchedulerConfig): Check | ColumnCheck | null
}

/** Where a number is wanted at least. */
export const atLeast = (column: Float64Array, least: number): ColumnCheck => ({
  column,
  least,
  most: Infinity,
})

/** Where a flag is not set. Nearly always it is set nowhere, which is found at the speed of memory. */
export const unset = (flags: Uint8Array): Check | null =>
  flags.includes(1) ? (index) => flags[index] === 0 : null

export const passNone: Check = () => false
