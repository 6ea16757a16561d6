import { LodgeError } from '../../base/errors.ts'

/** Far deeper than any request of ours, far shallower than what would exhaust the stack. */
const maxDepth = 64

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value of a request's body.
 * @throws LodgeError badRequest unless it is JSON in UTF-8 of reasonable depth without `__proto__` keys, without
 * halves of surrogate pairs, which no database keeps as they are, and without NUL, which PostgreSQL does not take
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    const text = decoder.decode(bytes)
    value = JSON.parse(text, needsLook(text) ? refuseTraps : undefined)
  } catch (cause) {
    throw cause instanceof LodgeError ? cause : malformed(cause)
  }
  if (isDeeperThan(value, maxDepth)) throw malformed(undefined)
  return value
}

export const malformed = (cause: unknown): LodgeError =>
  new LodgeError('badRequest', 'Malformed request body', { cause })

/** The reviver costs time, so only texts that could spell such a thing pay it. */
const needsLook = (text: string): boolean => text.includes('__proto__') || text.includes('\\u')

function refuseTraps(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new LodgeError('badRequest', 'The key __proto__ is not allowed')
  if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed()))
    throw new LodgeError('badRequest', 'A string holds half of a surrogate pair, which is no character')
  if (key.includes('\0') || (typeof value === 'string' && value.includes('\0')))
    throw new LodgeError('badRequest', 'A string holds the character NUL, which cannot be kept')
  return value
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1))
}
