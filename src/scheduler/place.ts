import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { PlacementReasons, PlacementRejection } from '../model/placement.ts'
import type { Check, ColumnCheck } from './filter.ts'
import { filtersOf } from './filter-table.ts'
import type { HostTable } from './host-table.ts'
import type { PlaceRequest } from './place-request.ts'
import { best } from './weigh.ts'

export interface PlaceResult {
  /** Names of hosts, best first. */
  candidates: string[]
  reasons: PlacementReasons
}

/**
 * Chooses `count` hosts for a server at most: filters one after the other, each over the hosts that the former left,
 * then weighs what passes. Pure, and linear in the number of hosts.
 */
export function place(
  request: PlaceRequest,
  table: HostTable,
  settings: SchedulerConfig,
  count: number,
): PlaceResult {
  if (request.forcedHost != null) return placeForced(request.forcedHost, table)
  const rejected: PlacementRejection[] = []
  let passed = allOf(table)
  for (const { name, prepare } of filtersOf(settings.filters)) {
    const check = prepare(request, table, settings)
    if (check && passed.length > 0) passed = sift(passed, check, table, name, rejected)
  }
  const { hosts, described } = best(request, table, passed, settings, count)
  return {
    candidates: hosts,
    reasons: { hosts: table.size, passed: passed.length, rejected, candidates: described },
  }
}

function allOf({ scratch: { all, passed } }: HostTable): Int32Array {
  passed.set(all)
  return passed
}

/** How many hosts a rejection names; it counts all. */
const namedHosts = 20

/** Leaves the indexes that pass at the front, and notes the rest. */
function sift(
  passed: Int32Array,
  check: Check | ColumnCheck,
  { facts }: HostTable,
  filter: string,
  rejected: PlacementRejection[],
): Int32Array {
  const turnedAway: number[] = []
  const kept =
    typeof check === 'function' ? siftEach(passed, check, turnedAway) : siftColumn(passed, check, turnedAway)
  const count = passed.length - kept
  if (count > 0) rejected.push({ filter, count, hosts: turnedAway.map((index) => facts[index]!.name) })
  return passed.subarray(0, kept)
}

/** Returns how many passed. */
function siftEach(passed: Int32Array, check: Check, turnedAway: number[]): number {
  let kept = 0
  for (let i = 0; i < passed.length; i += 1) {
    const index = passed[i]!
    if (check(index)) passed[kept++] = index
    else if (turnedAway.length < namedHosts) turnedAway.push(index)
  }
  return kept
}

function siftColumn(passed: Int32Array, { column, least, most }: ColumnCheck, turnedAway: number[]): number {
  const count = passed.length
  let i = 0
  // Most filters turn nobody away: up to the first that falls, nothing moves.
  for (; i < count; i += 1) {
    const value = column[passed[i]!]!
    if (value < least || value > most) break
  }
  let kept = i
  for (; i < count; i += 1) {
    const index = passed[i]!
    const value = column[index]!
    if (value >= least && value <= most) passed[kept++] = index
    else if (turnedAway.length < namedHosts) turnedAway.push(index)
  }
  return kept
}

function placeForced(asked: string, table: HostTable): PlaceResult {
  const index = table.indexOf.get(asked) ?? table.indexOfAnyCase.get(asked.toLowerCase())
  const hosts = index === undefined ? [] : [table.facts[index]!.name]
  return {
    candidates: hosts,
    reasons: {
      hosts: table.size,
      passed: hosts.length,
      rejected: hosts.length > 0 ? [] : [{ filter: 'not-requested', count: table.size, hosts: [] }],
      candidates: hosts.map((host) => ({ host, weight: 0, parts: {} })),
      forced: true,
    },
  }
}
