import type { VersionedSchema } from '../../common/route.ts'
import {
  anyString,
  boolean,
  description,
  ipv4,
  ipv6,
  metadata,
  name,
  object,
  positiveInteger,
  uuid,
} from '../../common/schema-parts.ts'
import {
  blockDeviceAt,
  diskConfig,
  file,
  hostnameAt,
  legacyBlockDevice,
  networksAt,
  schedulerHints,
  tag,
  trustedCertificates,
} from './server-schema-parts.ts'

type Schema = Record<string, unknown>

/** The body of a create, once its schema has let it pass. */
export interface CreateBody {
  server: {
    name: string
    flavorRef: string | number
    imageRef?: string
    networks?: 'none' | 'auto' | object[]
    key_name?: string
    metadata?: Record<string, string>
    description?: string | null
    hostname?: string
    user_data?: string
    adminPass?: string
    accessIPv4?: string
    accessIPv6?: string
    'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL'
    availability_zone?: string
    host?: string
    hypervisor_hostname?: string
    min_count?: number | string
    max_count?: number | string
    return_reservation_id?: boolean | string
    config_drive?: boolean | string
    block_device_mapping?: object[]
    block_device_mapping_v2?: BlockDevice[]
    personality?: object[]
    security_groups?: { name?: string }[]
    tags?: string[]
    trusted_image_certificates?: string[] | null
  }
  'os:scheduler_hints'?: Record<string, unknown>
  'OS-SCH-HNT:scheduler_hints'?: Record<string, unknown>
}

export interface BlockDevice {
  source_type?: 'volume' | 'image' | 'snapshot' | 'blank'
  destination_type?: 'local' | 'volume'
  uuid?: string
  boot_index?: number | string | null
  [other: string]: unknown
}

/** The first microversions of each form of the request; a form holds until the next begins. */
const forms = [1, 19, 32, 33, 37, 42, 52, 57, 63, 67, 74, 90, 94]

export const createSchemas: VersionedSchema[] = forms.map((first, index) => {
  const next = forms[index + 1]
  return { min: first, ...(next === undefined ? {} : { max: next - 1 }), schema: bodyAt(first) }
})

function bodyAt(version: number): Schema {
  return object(
    {
      server: object(serverAt(version), {
        required: version < 37 ? ['name', 'flavorRef'] : ['name', 'flavorRef', 'networks'],
      }),
      'os:scheduler_hints': schedulerHints,
      'OS-SCH-HNT:scheduler_hints': schedulerHints,
    },
    { required: ['server'] },
  )
}

function serverAt(version: number): Record<string, Schema> {
  const host: Schema = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$' }
  return {
    name,
    flavorRef: { type: ['string', 'integer'], minLength: 1 },
    imageRef: { anyOf: [uuid, { type: 'string', maxLength: 0 }] },
    networks: networksAt(version),
    key_name: name,
    metadata,
    user_data: { type: 'string', format: 'base64', maxLength: 65_535 },
    adminPass: anyString,
    accessIPv4: ipv4,
    accessIPv6: ipv6,
    'OS-DCF:diskConfig': diskConfig,
    availability_zone: name,
    min_count: positiveInteger,
    max_count: positiveInteger,
    return_reservation_id: boolean,
    config_drive: boolean,
    block_device_mapping: { type: 'array', items: legacyBlockDevice },
    block_device_mapping_v2: { type: 'array', items: blockDeviceAt(version) },
    security_groups: { type: 'array', items: object({ name }) },
    ...(version < 57 ? { personality: { type: 'array', items: file } } : {}),
    ...(version >= 19 ? { description } : {}),
    ...(version >= 52 ? { tags: { type: 'array', items: tag, maxItems: 50 } } : {}),
    ...(version >= 63 ? { trusted_image_certificates: trustedCertificates } : {}),
    ...(version >= 74 ? { host, hypervisor_hostname: host } : {}),
    ...(version >= 90 ? { hostname: hostnameAt(version) } : {}),
  }
}
