import { LodgeError } from '../../base/errors.ts'

/** Far deeper than any request of ours, far shallower than what would exhaust the stack. */
const maxDepth = 64

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value of a request's body.
 * @throws LodgeError badRequest unless it is JSON in UTF-8 of reasonable depth without `__proto__` keys
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    const text = decoder.decode(bytes)
    value = JSON.parse(text, mayNamePrototype(text) ? refusePrototype : undefined)
  } catch (cause) {
    throw malformed(cause)
  }
  if (isDeeperThan(value, maxDepth)) throw malformed(undefined)
  return value
}

export const malformed = (cause: unknown): LodgeError =>
  new LodgeError('badRequest', 'Malformed request body', { cause })

/** The reviver costs time, so only texts that could spell the key pay it. */
const mayNamePrototype = (text: string): boolean => text.includes('__proto__') || text.includes('\\u')

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new LodgeError('badRequest', 'The key __proto__ is not allowed')
  return value
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1))
}
