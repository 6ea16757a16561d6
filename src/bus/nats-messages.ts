import { isErrorKind, LodgeError, toLodgeError } from '../base/errors.ts'
import type { Command, Outcome, Query } from '../contract/command.ts'
import type { WorkedInReport } from './bus.ts'

/**
 * What an agent answers: that it has the command, its outcome, a question's result, or why there is none.
 * Messages are JSON with a `version`; fields that a reader does not know are passed over, so that either side may be
 * a release older than the other.
 */
export type Answer =
  | { version: 1; type: 'accepted' }
  | { version: 1; type: 'outcome'; outcome: Outcome }
  | { version: 1; type: 'result'; result: unknown }
  | { version: 1; type: 'error'; error: { kind: string; message: string; details: object } }

export const encode = (message: object): string => JSON.stringify(message)

/** @throws LodgeError badRequest for what is no command. Its version and verb are the agent's to judge. */
export function decodeCommand(data: Uint8Array): Command {
  const message = decodeObject(data)
  const { id, host, serverId, verb, params } = message
  const texts = [id, host, serverId, verb].every((value) => typeof value === 'string')
  if (!texts || !isObject(params)) throw malformed('a command')
  return message as unknown as Command
}

/** @throws LodgeError badRequest for what is no question */
export function decodeQuery(data: Uint8Array): Query {
  const message = decodeObject(data)
  if (typeof message['host'] !== 'string' || typeof message['name'] !== 'string') throw malformed('a query')
  if (!isObject(message['params'])) throw malformed('a query')
  return message as unknown as Query
}

/** A record, so that the compiler sees when one is missing. */
const reportTypes: Record<WorkedInReport['type'], true> = {
  host: true,
  power: true,
  census: true,
  'migration-progress': true,
}

/** @throws LodgeError badRequest for what is no report, notImplemented for one of a newer agent */
export function decodeReport(data: Uint8Array): WorkedInReport {
  const message = decodeObject(data)
  if (message['version'] !== 1 || !Object.hasOwn(reportTypes, String(message['type'])))
    throw new LodgeError(
      'notImplemented',
      `A report ${String(message['type'])} of version ${String(message['version'])} is not known here: update the controllers before the agents`,
    )
  if (typeof message['host'] !== 'string') throw malformed('a report')
  return message as unknown as WorkedInReport
}

/** @throws LodgeError badRequest for what is no answer, notImplemented for one of a newer agent */
export function decodeAnswer(data: Uint8Array): Answer {
  const message = decodeObject(data)
  if (message['version'] !== 1)
    throw new LodgeError(
      'notImplemented',
      `An agent answered in version ${String(message['version'])}, which is not known here: update the controllers before the agents`,
    )
  return message as unknown as Answer
}

export function errorAnswer(thrown: unknown): Answer {
  const { kind, message, details } = toLodgeError(thrown)
  return { version: 1, type: 'error', error: { kind, message, details } }
}

export const errorOf = ({ error }: Extract<Answer, { type: 'error' }>): LodgeError =>
  new LodgeError(isErrorKind(error.kind) ? error.kind : 'internal', error.message, {
    details: { ...error.details },
  })

function decodeObject(data: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(data))
  } catch (cause) {
    throw new LodgeError('badRequest', 'A message on the bus is not JSON', { cause })
  }
  if (!isObject(value)) throw malformed('a message')
  return value
}

const decoder = new TextDecoder('utf-8', { fatal: true })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const malformed = (what: string): LodgeError =>
  new LodgeError('badRequest', `What came over the bus is not ${what}`)
