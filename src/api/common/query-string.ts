/**
 * The query of a URL with all values of each key. Bad percent-encoding and invalid UTF-8 become replacement
 * characters instead of errors; a `+` is a space. The object has no prototype, so that a key may have any name.
 */
export function parseQueryString(text: string): Record<string, string[]> {
  const query = Object.create(null) as Record<string, string[]>
  if (text === '') return query
  for (const [key, value] of new URLSearchParams(text)) {
    const values = query[key]
    if (values) values.push(value)
    else query[key] = [value]
  }
  return query
}
