/** Nova's usual form of a time, `2026-01-31T12:00:00Z`; null stays null. */
export function isoTime(ms: number): string
export function isoTime(ms: number | null): string | null
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** The form of `OS-SRV-USG:*` and of some admin resources: microseconds and no zone. */
export function isoMicroseconds(ms: number): string
export function isoMicroseconds(ms: number | null): string | null
export function isoMicroseconds(ms: number | null): string | null {
  return ms === null ? null : `${new Date(ms).toISOString().slice(0, 23)}000`
}

/**
 * Milliseconds since 1970 of a time as clients write it: ISO 8601, with or without a zone (then UTC), fractions and
 * seconds; undefined when it is none.
 */
export function parseTime(text: string): number | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i.exec(
      text.trim(),
    )
  if (!match) return undefined
  const [, day, minutes = '00:00', seconds = ':00', zone = 'Z'] = match
  const ms = Date.parse(`${day}T${minutes}${seconds.slice(0, 7)}${zoneOf(zone)}`)
  return Number.isNaN(ms) ? undefined : ms
}

function zoneOf(zone: string): string {
  if (/^z$/i.test(zone)) return 'Z'
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`
}
