/**
 * Whether a value of a host meets the requirement of an extra spec. The requirement may begin with an operator:
 * `=` (at least), `==`, `!=`, `<`, `<=`, `>`, `>=` compare numbers, `s==` and its kin compare texts, `<in>` looks for
 * a part, `<all-in>` for several, `<or>` for any of several. Without an operator both must be the same text.
 */
export function meets(value: string | number | readonly string[] | undefined, requirement: string): boolean {
  const [operator = '', ...words] = requirement.split(/\s+/).filter((word) => word !== '')
  if (operator === '<or>') return isOneOf(value, words)
  if (operator === '<all-in>')
    return value !== undefined && words.length > 0 && words.every((word) => holds(value, word))
  const compare = comparisons[operator]
  if (!compare) return value !== undefined && String(value) === requirement
  const [wanted] = words
  return value !== undefined && wanted !== undefined && compare(value, wanted)
}

type Value = string | number | readonly string[]

/** `<or> a <or> b` */
const isOneOf = (value: Value | undefined, words: readonly string[]): boolean =>
  value !== undefined && words.some((word, i) => i % 2 === 0 && String(value) === word)

const holds = (value: Value, part: string): boolean =>
  typeof value === 'number' ? String(value).includes(part) : value.includes(part)

const numeric =
  (compare: (a: number, b: number) => boolean) =>
  (value: Value, wanted: string): boolean =>
    compare(Number(value), Number(wanted))

const textual =
  (compare: (a: string, b: string) => boolean) =>
  (value: Value, wanted: string): boolean =>
    compare(String(value), wanted)

const comparisons: Record<string, (value: Value, wanted: string) => boolean> = {
  '=': numeric((a, b) => a >= b),
  '==': numeric((a, b) => a === b),
  '!=': numeric((a, b) => a !== b),
  '<': numeric((a, b) => a < b),
  '<=': numeric((a, b) => a <= b),
  '>': numeric((a, b) => a > b),
  '>=': numeric((a, b) => a >= b),
  's==': textual((a, b) => a === b),
  's!=': textual((a, b) => a !== b),
  's<': textual((a, b) => a < b),
  's<=': textual((a, b) => a <= b),
  's>': textual((a, b) => a > b),
  's>=': textual((a, b) => a >= b),
  '<in>': holds,
}
