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

/** A tag of a device or a server. */
export const tag: Schema = { type: 'string', minLength: 1, maxLength: 60, pattern: '^[^,/]*$' }

/** A host name: of one label until 2.93, a domain name from 2.94 on. */
export const hostnameAt = (version: number): Schema =>
  version < 94
    ? { type: 'string', minLength: 2, maxLength: 63, pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$' }
    : { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$' }

export const diskConfig: Schema = { type: 'string', enum: ['AUTO', 'MANUAL'] }

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

const file: Schema = object({ path: anyString, contents: { type: 'string', format: 'base64' } })

const trustedCertificates: Schema = {
  type: ['array', 'null'],
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  items: { type: 'string', minLength: 1 },
}

/** Device tags came with 2.32, were lost by accident in 2.33 and 2.37, and are back since 2.42. */
function networksAt(version: number): Schema {
  const network = object({
    fixed_ip: { type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
    port: { type: ['string', 'null'], format: 'uuid' },
    uuid: version < 37 ? anyString : uuid,
    ...((version >= 32 && version < 37) || version >= 42 ? { tag } : {}),
  })
  const list: Schema = { type: 'array', items: network }
  return version < 37 ? list : { anyOf: [{ type: 'string', enum: ['none', 'auto'] }, list] }
}

const text255: Schema = { type: 'string', maxLength: 255 }
const deviceName: Schema = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9._/\\-]*$' }
const volumeSize: Schema = {
  type: ['integer', 'string'],
  pattern: '^[0-9]+$',
  minimum: 1,
  maximum: 2_147_483_647,
}

const commonBlockDevice: Record<string, Schema> = {
  connection_info: { type: 'string', maxLength: 16_777_215 },
  delete_on_termination: boolean,
  device_name: deviceName,
  no_device: {},
  snapshot_id: uuid,
  virtual_name: text255,
  volume_id: uuid,
  volume_size: volumeSize,
}

const legacyBlockDevice: Schema = object(commonBlockDevice)

const blockDeviceAt = (version: number): Schema =>
  object({
    ...commonBlockDevice,
    boot_index: { type: ['integer', 'string', 'null'], pattern: '^-?[0-9]+$' },
    destination_type: { type: 'string', enum: ['local', 'volume'] },
    device_type: text255,
    disk_bus: text255,
    guest_format: text255,
    image_id: uuid,
    source_type: { type: 'string', enum: ['volume', 'image', 'snapshot', 'blank'] },
    uuid: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9._\\-]*$' },
    ...(version === 32 || version >= 42 ? { tag } : {}),
    ...(version >= 67 ? { volume_type: { type: ['string', 'null'], maxLength: 255 } } : {}),
  })

const uuids: Schema = { type: 'array', items: uuid }

const schedulerHints: Schema = object(
  {
    build_near_host_ip: { type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
    cidr: { type: 'string', pattern: '^/[0-9a-f.:]+$' },
    different_cell: { type: ['string', 'array'], items: anyString },
    different_host: { anyOf: [uuid, uuids] },
    group: { anyOf: [uuid, uuids] },
    query: { type: ['string', 'object'] },
    same_host: { type: ['string', 'array'], items: uuid },
    target_cell: name,
  },
  { open: true },
)
