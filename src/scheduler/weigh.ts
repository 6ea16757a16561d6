import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { PlacementCandidate } from '../model/placement.ts'
import { hashOf, mixed } from './hash.ts'
import type { HostTable } from './host-table.ts'
import type { PlaceRequest } from './place-request.ts'
import { overridesOf } from './weigher.ts'
import { weighers } from './weigher-table.ts'

/** So many of the best are described: what is kept of a placement must not grow with its alternates. */
const describedHosts = 5

/**
 * The best of the hosts at these indexes in order, `count` at most, and why the first of them are. Each weigher's
 * numbers are normalised to 0..1 over them and multiplied, as Nova's weighers; the sum decides, and among equals a hash
 * of seed and name.
 */
export function best(
  request: PlaceRequest,
  table: HostTable,
  passed: Int32Array,
  settings: SchedulerConfig,
  count: number,
): { hosts: string[]; described: PlacementCandidate[] } {
  const terms = termsOf(request, table, passed, settings)
  const weights = table.scratch.weights.subarray(0, passed.length).fill(0)
  for (const term of terms) add(term, passed, weights)
  const top = select(
    passed,
    weights,
    table.nameHash,
    hashOf(request.seed),
    Math.max(count, settings.subsetSize),
  )
  const chosen = someOf(top, request.seed, settings.subsetSize).slice(0, count)
  return {
    hosts: chosen.map(({ index }) => table.facts[index]!.name),
    described: chosen.slice(0, describedHosts).map(({ index, weight }) => ({
      host: table.facts[index]!.name,
      weight: rounded(weight),
      parts: Object.fromEntries(
        terms.map((term) => [term.name, rounded(partOf(term, index))]).filter(([, part]) => part !== 0),
      ),
    })),
  }
}

/** A weigher's numbers with how they are normalised. */
interface Term {
  name: string
  values: Float64Array
  min: number
  range: number
  multiplier: number
  overrides: Float64Array | null
}

/** Those that make a difference among the hosts that passed. */
function termsOf(
  request: PlaceRequest,
  table: HostTable,
  passed: Int32Array,
  settings: SchedulerConfig,
): Term[] {
  const terms: Term[] = []
  for (const { name, setting, aggregateKey, values: valuesOf } of weighers) {
    const multiplier = settings[setting]
    const overrides = overridesOf(table, aggregateKey)
    if (multiplier === 0 && !overrides) continue
    const values = valuesOf(request, table, settings)
    if (!values) continue
    const { min, max } = rangeOf(values, passed)
    if (max > min) terms.push({ name, values, min, range: max - min, multiplier, overrides })
  }
  return terms
}

function rangeOf(values: Float64Array, passed: Int32Array): { min: number; max: number } {
  let min = Infinity
  let max = -Infinity
  for (let i = 0; i < passed.length; i += 1) {
    const value = values[passed[i]!]!
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

function add(term: Term, passed: Int32Array, weights: Float64Array): void {
  const { values, min, range, multiplier, overrides } = term
  if (overrides) {
    for (let i = 0; i < passed.length; i += 1) weights[i]! += partOf(term, passed[i]!)
    return
  }
  const scale = multiplier / range
  for (let i = 0; i < passed.length; i += 1) weights[i]! += scale * (values[passed[i]!]! - min)
}

function partOf({ values, min, range, multiplier, overrides }: Term, index: number): number {
  const override = overrides?.[index] ?? NaN
  return (Number.isNaN(override) ? multiplier : override) * ((values[index]! - min) / range)
}

interface Chosen {
  index: number
  weight: number
  tie: number
}

/** The best in order, without sorting all of them. */
function select(
  passed: Int32Array,
  weights: Float64Array,
  nameHash: Uint32Array,
  seedHash: number,
  count: number,
): Chosen[] {
  const top: Chosen[] = []
  let least = -Infinity
  for (let i = 0; i < passed.length; i += 1) {
    const weight = weights[i]!
    if (weight < least) continue
    const index = passed[i]!
    const tie = mixed(seedHash, nameHash[index]!)
    let at = top.length
    while (at > 0 && isBetter(weight, tie, top[at - 1]!)) at -= 1
    if (at >= count) continue
    top.splice(at, 0, { index, weight, tie })
    if (top.length > count) top.pop()
    if (top.length === count) least = top[count - 1]!.weight
  }
  return top
}

const isBetter = (weight: number, tie: number, than: Chosen): boolean =>
  weight > than.weight || (weight === than.weight && tie > than.tie)

/** One of the first `size` comes to the front, by chance that the seed decides. */
function someOf(top: Chosen[], seed: string, size: number): Chosen[] {
  const among = Math.min(size, top.length)
  if (among <= 1) return top
  const [chosen] = top.splice(mixed(hashOf(seed), 1) % among, 1)
  return [chosen!, ...top]
}

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000
