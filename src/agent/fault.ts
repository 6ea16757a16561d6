import { toLodgeError, type ErrorKind, type LodgeError } from '../base/errors.ts'
import type { Fault, Verb } from '../contract/command.ts'

/** A command's failure as the controller and the user are told it. */
export function faultOf(thrown: unknown, verb: Verb, host: string): Fault {
  const error = toLodgeError(thrown)
  return {
    kind: error.kind,
    code: error.status,
    message: isMeantForUsers(error) ? error.message : sentences[verb](host),
    details: chainOf(error),
    retry: retryOf(error, verb),
  }
}

/** These speak of what the user asked for or of what we found; all else is in the words of a library. */
const plainKinds: ErrorKind[] = ['badRequest', 'notFound', 'tooLarge', 'gone', 'notImplemented', 'forbidden']

const isMeantForUsers = (error: LodgeError): boolean =>
  plainKinds.includes(error.kind) || error.details.plain === true

/** Marks, as its details, an error of the agent whose sentence is for users. */
export const plain = { plain: true }

const sentences: Record<Verb, (host: string) => string> = {
  spawn: (host) => `Host ${host} could not build the server.`,
  destroy: (host) => `Host ${host} could not remove the server.`,
  start: (host) => `Host ${host} could not start the server.`,
  stop: (host) => `Host ${host} could not stop the server.`,
  reboot: (host) => `Host ${host} could not reboot the server.`,
  pause: (host) => `Host ${host} could not pause the server.`,
  unpause: (host) => `Host ${host} could not unpause the server.`,
  suspend: (host) => `Host ${host} could not suspend the server.`,
  resume: (host) => `Host ${host} could not resume the server.`,
  snapshot: (host) => `Host ${host} could not make an image of the server.`,
}

/** The user's mistakes fail everywhere; what else keeps one host from building need not trouble another. */
function retryOf(error: LodgeError, verb: Verb): Fault['retry'] {
  if (error.details.superseded === true || plainKinds.includes(error.kind)) return 'never'
  if (verb === 'spawn') return 'other-host'
  return error.retryable ? 'same-host' : 'never'
}

/** The messages of an error and of its causes, outermost first. */
function chainOf(error: Error): string {
  const messages: string[] = []
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (messages.at(-1) !== one.message) messages.push(one.message)
  return messages.join(': ')
}
