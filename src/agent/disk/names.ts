import { createHash } from 'node:crypto'
import { LodgeError } from '../../base/errors.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const isServerId = (text: string): boolean => uuid.test(text)

/** The only way from a server's id to a path. @throws LodgeError badRequest */
export function checkedServerId(serverId: string): string {
  if (isServerId(serverId)) return serverId
  throw new LodgeError('badRequest', `${JSON.stringify(serverId.slice(0, 80))} is not the UUID of a server.`)
}

/** The only way from a name to a temporary file. @throws LodgeError internal */
export function checkedStagingName(name: string): string {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/.test(name)) return name
  throw new LodgeError('internal', `${JSON.stringify(name.slice(0, 80))} is no name for a temporary file`)
}

/** A host's name as part of a file's: one host, one tag, without dots and no longer than 50 characters. */
export function hostTag(host: string): string {
  const readable = host.replaceAll(/[^A-Za-z0-9-]/g, '_').slice(0, 40)
  return `${readable}-${createHash('sha256').update(host).digest('hex').slice(0, 8)}`
}
