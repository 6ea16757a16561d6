import { toLodgeError } from '../base/errors.ts'
import type { Fault } from '../contract/command.ts'

/** A fault of the controller's own making. */
export function faultOf(
  message: string,
  more: Partial<Pick<Fault, 'kind' | 'code' | 'details' | 'retry'>> = {},
): Fault {
  return { kind: 'internal', code: 500, details: '', retry: 'never', ...more, message }
}

/** What was thrown as a fault. A defect of ours shows only its class, as Nova does with foreign exceptions. */
export function faultOfThrown(thrown: unknown): Fault {
  const error = toLodgeError(thrown)
  const cause = error.cause instanceof Error ? error.cause : error
  if (error.kind === 'internal') return faultOf(cause.name, { details: cause.stack ?? cause.message })
  return faultOf(error.message, { kind: error.kind, code: error.status, details: error.message })
}

export const hostDownFault = (host: string): Fault =>
  faultOf(`Host ${host} is down.`, {
    kind: 'unavailable',
    code: 503,
    retry: 'other-host',
    details: 'Its agent could not be reached and has not reported for longer than the configured time.',
  })

export const deadlineFault = (action: string, seconds: number): Fault =>
  faultOf(`The action ${action} did not come to an end within ${seconds} seconds.`, { kind: 'timeout' })
