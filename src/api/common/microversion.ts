import { LodgeError } from '../../base/errors.ts'

export interface MicroversionRange {
  /** Minors: 2.X -> X. */
  min: number
  max: number
}

type Headers = Record<string, string | string[] | undefined>

/**
 * The minor of the microversion that a request asks for, by Nova's rules: `OpenStack-API-Version: compute 2.X`
 * wins over `X-OpenStack-Nova-API-Version: 2.X`; `latest` is the newest; none at all is the oldest.
 * @throws LodgeError badRequest for a malformed number, notAcceptable for one out of range
 */
export function negotiateMicroversion(headers: Headers, range: MicroversionRange): number {
  const asked =
    standardHeader(headers['openstack-api-version']) ?? single(headers['x-openstack-nova-api-version'])
  if (asked === undefined || asked === '') return range.min
  if (asked === 'latest') return range.max
  const match = /^([1-9]\d{0,8})\.([1-9]\d{0,8}|0)$/.exec(asked)
  if (!match)
    throw new LodgeError(
      'badRequest',
      `API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`,
    )
  const minor = Number(match[2])
  if (match[1] !== '2' || minor < range.min || minor > range.max)
    throw new LodgeError(
      'notAcceptable',
      `Version ${asked} is not supported by the API. Minimum is 2.${range.min} and maximum is 2.${range.max}.`,
    )
  return minor
}

/** The headers that tell which microversion was served; on every answer of compute. */
export const microversionHeaders = (minor: number): Record<string, string> => ({
  'openstack-api-version': `compute 2.${minor}`,
  'x-openstack-nova-api-version': `2.${minor}`,
  vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
})

/** Whether `minor` lies in a row's range, both ends included. */
export const inRange = (minor: number, range: { min?: number; max?: number }): boolean =>
  (range.min === undefined || minor >= range.min) && (range.max === undefined || minor <= range.max)

/** The header may name several services, `compute 2.30, volume 3.1`; the last one for compute counts. */
function standardHeader(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  let asked: string | undefined
  for (const part of [value].flat().join(',').split(',')) {
    const [service, version, ...more] = part.trim().split(/\s+/)
    if (service?.toLowerCase() === 'compute' && version !== undefined && more.length === 0)
      asked = version.toLowerCase()
  }
  return asked
}

const single = (value: string | string[] | undefined): string | undefined =>
  [value].flat()[0]?.trim().toLowerCase()
