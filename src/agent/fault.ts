import { toLodgeError, type ErrorKind, type LodgeError } from '../base/errors.ts'
import type { Fault, Verb } from '../contract/command.ts'

/** A command's failure as the controller and the user are told it. */
export function faultOf(thrown: unknown, verb: Verb, host: string): Fault {
  const error = toLodgeError(thrown)
  const inner = isOfHost(error)
  return {
    kind: inner && !error.retryable ? 'internal' : error.kind,
    code: inner && !error.retryable ? 500 : error.status,
    message: inner ? sentences[verb](host) : error.message,
    details: chainOf(error),
    retry: retryOf(error, verb),
  }
}

/** Speaks of the inside of this host, in the words of libvirt or of a tool: details for the operator. */
const isOfHost = (error: LodgeError): boolean => error.kind === 'internal' || error.details.call !== undefined

/** These speak of what the user asked for, or of a server that is not as it should be: it is so on every host. */
const kindsOfRequest: ErrorKind[] = [
  'badRequest',
  'conflict',
  'forbidden',
  'gone',
  'notFound',
  'notImplemented',
  'tooLarge',
]

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
  resizePrepare: (host) => `Host ${host} could not make ready to take the server.`,
  resizeSend: (host) => `Host ${host} could not send the server's disks.`,
  resizeFinish: (host) => `Host ${host} could not take the server over.`,
  resizeDiscard: (host) => `Host ${host} could not remove what had come of the server.`,
  resizeReturn: (host) => `Host ${host} could not take the server back.`,
  resizeVerify: (host) => `Host ${host} could not find out whether the server has come.`,
  resizeForget: (host) => `Host ${host} could not remove the server's former disks.`,
  snapshot: (host) => `Host ${host} could not make an image of the server.`,
  migrateCheckDestination: (host) => `Host ${host} cannot take the server.`,
  migrateCheckSource: (host) => `Host ${host} could not find out whether the server can be moved.`,
  migrateMeasure: (host) => `Host ${host} could not find out what the guest writes.`,
  migratePrepareDestination: (host) => `Host ${host} could not make room for the server.`,
  migrateLive: (host) => `Host ${host} could not move the server.`,
  migrateAbort: (host) => `Host ${host} could not abort the migration of the server.`,
  migrateForceComplete: (host) => `Host ${host} could not bring the migration of the server to its end.`,
  migrateFinishDestination: (host) => `Host ${host} did not get the server.`,
  migrateFinishSource: (host) => `Host ${host} could not remove what is left of the server.`,
  migrateRollbackDestination: (host) => `Host ${host} could not remove what it had made for the server.`,
}

/** What keeps one host from building or taking a server need not trouble another. */
const triedElsewhere: ReadonlySet<Verb> = new Set<Verb>([
  'spawn',
  'resizePrepare',
  'resizeSend',
  'resizeFinish',
])

function retryOf(error: LodgeError, verb: Verb): Fault['retry'] {
  if (!isOfHost(error) && kindsOfRequest.includes(error.kind)) return 'never'
  if (triedElsewhere.has(verb)) return 'other-host'
  return error.retryable ? 'same-host' : 'never'
}

/** The messages of an error and of its causes, outermost first. */
function chainOf(error: Error): string {
  const messages: string[] = []
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (messages.at(-1) !== one.message) messages.push(one.message)
  return messages.join(': ')
}
