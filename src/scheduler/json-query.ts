import { attributeOf } from './host-attributes.ts'
import type { HostTable } from './host-table.ts'

/** Whether the host at an index is one that the query means. */
export type HostQuery = (table: HostTable, index: number) => boolean

type Value = string | number | boolean | readonly string[] | null | undefined
type Term = (table: HostTable, index: number) => Value

/** What a client sent must neither be deep enough for the stack nor long enough to hold up ten thousand hosts. */
const mostDepth = 16
const mostTerms = 200

/**
 * A query of Nova's JsonFilter, as text or parsed: an operator (`=`, `<`, `>`, `<=`, `>=`, `in`, `not`, `or`, `and`)
 * and its arguments, which are values, names of the host's attributes with a `$`, or queries again. null when it is
 * none.
 */
export function compileQuery(query: unknown): HostQuery | null {
  const parsed = typeof query === 'string' ? parse(query) : query
  const budget = { terms: mostTerms }
  const term = Array.isArray(parsed) ? compile(parsed, mostDepth, budget) : null
  return term && ((table, index) => term(table, index) === true)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function compile(part: unknown, depth: number, budget: { terms: number }): Term | null {
  budget.terms -= 1
  if (depth === 0 || budget.terms < 0) return null
  if (Array.isArray(part)) return compileCall(part, depth, budget)
  if (typeof part === 'string' && part.startsWith('$')) {
    const name = part.slice(1)
    return (table, index) => attributeOf(table, index, name)
  }
  if (part === null || ['string', 'number', 'boolean'].includes(typeof part)) return () => part as Value
  return null
}

function compileCall([operator, ...parts]: unknown[], depth: number, budget: { terms: number }): Term | null {
  const make =
    typeof operator === 'string' && Object.hasOwn(operators, operator) ? operators[operator] : undefined
  if (!make || parts.length === 0) return null
  const terms = parts.map((part) => compile(part, depth - 1, budget))
  return terms.every((term) => term !== null) ? make(terms) : null
}

/** The first argument stands against each of the others. */
const against =
  (compare: (first: Value, other: Value) => boolean) =>
  ([first, ...others]: Term[]): Term =>
  (table, index) => {
    const value = first!(table, index)
    return value != null && others.length > 0 && others.every((other) => compare(value, other(table, index)))
  }

const ordered = (compare: (a: number | string, b: number | string) => boolean) =>
  against((a, b) => {
    if (typeof a === 'number') return compare(a, Number(b))
    return typeof a === 'string' && typeof b === 'string' && compare(a, b)
  })

const operators: Record<string, (terms: Term[]) => Term> = {
  '=': against((a, b) => a === b || (typeof a === 'number' && typeof b === 'string' && a === Number(b))),
  '<': ordered((a, b) => a < b),
  '>': ordered((a, b) => a > b),
  '<=': ordered((a, b) => a <= b),
  '>=': ordered((a, b) => a >= b),
  in:
    ([first, ...others]) =>
    (table, index) => {
      const value = first!(table, index)
      return value != null && others.some((other) => other(table, index) === value)
    },
  not: (terms) => (table, index) => terms.every((term) => term(table, index) !== true),
  or: (terms) => (table, index) => terms.some((term) => term(table, index) === true),
  and: (terms) => (table, index) => terms.every((term) => term(table, index) === true),
}
