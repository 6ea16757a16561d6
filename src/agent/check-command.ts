import { LodgeError } from '../base/errors.ts'
import type { Command } from '../contract/command.ts'
import { isVerb } from './server/verbs.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Looks at what came over the bus before it is journaled: a server's id becomes part of paths and of XML.
 * @throws LodgeError badRequest, or notImplemented for a verb or version of a newer controller
 */
export function checkCommand(command: Command, host: string): void {
  if (command.version !== 1 || !isVerb(command.verb))
    throw new LodgeError(
      'notImplemented',
      `The agent of host ${host} does not know the command ${command.verb}, version ${command.version}; update it`,
    )
  if (command.host !== host)
    throw new LodgeError('badRequest', `A command for host ${command.host} came to host ${host}`)
  if (command.id === '') throw new LodgeError('badRequest', 'A command must have an id')
  checkServerId(command.serverId)
  const spec = (command as Command<'spawn'>).params.spec
  if (spec !== undefined && spec.id !== command.serverId)
    throw new LodgeError(
      'badRequest',
      `The command is for server ${command.serverId}, its spec for ${spec.id}`,
    )
}

/** @throws LodgeError badRequest unless it is a UUID in lower case */
export function checkServerId(serverId: string): void {
  if (!uuid.test(serverId)) throw new LodgeError('badRequest', `${serverId} is not the id of a server`)
}
