import type { LodgeError } from '../../base/errors.ts'
import type { ServiceName } from './service.ts'

/** Nova's names of faults by status; any other status is a `computeFault`. */
const computeFaults: Record<number, string> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
}

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  416: 'Requested Range Not Satisfiable',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

/**
 * The body of an error answer in the service's own form. Compute has Nova's; identity has Keystone's, which the
 * clients of Glance read as well; network has Neutron's. A 401 has Keystone's form everywhere, since with Nova it
 * comes from the token middleware. What went wrong inside (`internal`) is never told.
 */
export function faultBody(service: ServiceName | undefined, error: LodgeError, requestId: string): object {
  const code = error.status
  const message = error.kind === 'internal' ? unexpected(requestId) : error.message
  if (service === 'compute' && code !== 401)
    return { [computeFaults[code] ?? 'computeFault']: { code, message } }
  if (service === 'network' && code !== 401)
    return { NeutronError: { type: error.kind, message, detail: '' } }
  return { error: { code, message, title: titles[code] ?? 'Error' } }
}

const unexpected = (requestId: string): string =>
  `Unexpected API Error. The log of Lodge has the details under the request id ${requestId}.`
