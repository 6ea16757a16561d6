import { parseTime } from './time.ts'

/**
 * The string formats of Nova's schemas that JSON Schema does not have, or that Nova reads differently. Each takes
 * any string and says whether it has the format.
 */
export const formats: Record<string, (text: string) => boolean> = {
  uuid: isUuid,
  'date-time': (text) => parseTime(text) !== undefined,
  base64: isBase64,
  regex: isRegex,
  cidr: (text) => text.includes('/'),
  name: isName,
  name_with_leading_trailing_spaces: (text) => isName(text.trim()),
  az_name: (text) => isName(text) && !text.includes(':'),
  az_name_with_leading_trailing_spaces: (text) => isName(text.trim()) && !text.includes(':'),
}

/** What to tell instead of "is not a name". */
export const formatHelp: Record<string, string> = {
  name: 'It must be printable characters and cannot start or end with whitespace.',
  az_name: 'It must be printable characters except ":" and cannot start or end with whitespace.',
  name_with_leading_trailing_spaces: 'It must be printable characters with at least one non-space character.',
  uuid: 'It must be a UUID.',
  'date-time': 'It must be a time such as 2026-01-31T12:00:00Z.',
  base64: 'It must be encoded as base64.',
}

/** A UUID with or without dashes, braces and `urn:uuid:`, in any case. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{32}$/i.test(
    text
      .replace(/^urn:uuid:/i, '')
      .replace(/^\{(.*)\}$/, '$1')
      .replaceAll('-', ''),
  )
}

/** Printable: no control, format, private, unassigned or surrogate characters and no line separators. */
function isName(text: string): boolean {
  return /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(text) && !/^\p{Zs}|\p{Zs}$/u.test(text)
}

/** As clients write them for Python, which takes more escapes than JavaScript's Unicode mode. */
function isRegex(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}

function isBase64(text: string): boolean {
  const packed = text.replace(/\s+/g, '')
  return packed.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(packed)
}
