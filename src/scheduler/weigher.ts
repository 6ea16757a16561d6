import type { SchedulerConfig } from '../base/scheduler-config.ts'
import { aggregateNumber } from './aggregate-metadata.ts'
import type { HostTable } from './host-table.ts'
import type { PlaceRequest } from './place-request.ts'

/** Says how good each host is by one measure; more is better. */
export interface Weigher {
  /** Short, for the reasons. */
  name: string
  /** The setting that multiplies it. */
  setting: Multiplier
  /** Nova's name of that, which an aggregate's metadata may have. */
  aggregateKey: string
  /** A number for the host at each index; null when it makes no difference. */
  values(request: PlaceRequest, table: HostTable, settings: SchedulerConfig): Float64Array | null
}

type Multiplier = {
  [K in keyof SchedulerConfig]: K extends `${string}Weight` ? K : never
}[keyof SchedulerConfig]

/** The multiplier for each host where aggregates say one, NaN where they do not; null when none says any. */
export function overridesOf(table: HostTable, aggregateKey: string): Float64Array | null {
  if (!table.hasAggregateMetadata) return null
  const known = table.overrides.get(aggregateKey)
  if (known !== undefined) return known
  const numbers = Float64Array.from(table.facts, (host) => aggregateNumber(host, aggregateKey, NaN))
  const column = numbers.some((number) => !Number.isNaN(number)) ? numbers : null
  table.overrides.set(aggregateKey, column)
  return column
}
