/** Names of the servers of one request: with more than one asked for, Nova numbers them from 1. */
export const serverName = (name: string, maxCount: number, index: number): string =>
  maxCount > 1 ? `${name}-${index + 1}` : name

/**
 * A guest's host name from the server's name, by Nova's rules: Latin-1 only, at most 63 characters, spaces,
 * underscores and dots become dashes, whatever else no host name may hold is dropped; when nothing is left,
 * `Server-<id>`.
 */
export function hostnameFor(name: string, id: string): string {
  const latin = [...name].filter((character) => character.codePointAt(0)! <= 0xff).join('')
  const plain = latin
    .slice(0, 63)
    .replace(/[ _.]/g, '-')
    .replace(/[^a-zA-Z0-9-]/g, '')
    .toLowerCase()
    .replace(/^-+|-+$/g, '')
  return plain === '' ? `Server-${id}` : plain
}
