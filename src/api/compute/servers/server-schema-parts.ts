import { anyString, boolean, name, object, uuid } from '../../common/schema-parts.ts'

/** The larger parts of the requests that create and update servers. */

type Schema = Record<string, unknown>

/** A tag of a device or a server. */
export const tag: Schema = { type: 'string', minLength: 1, maxLength: 60, pattern: '^[^,/]*$' }

/** A host name: of one label until 2.93, a domain name from 2.94 on. */
export const hostnameAt = (version: number): Schema =>
  version < 94
    ? { type: 'string', minLength: 2, maxLength: 63, pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$' }
    : { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$' }

export const diskConfig: Schema = { type: 'string', enum: ['AUTO', 'MANUAL'] }

export const file: Schema = object({ path: anyString, contents: { type: 'string', format: 'base64' } })

export const trustedCertificates: Schema = {
  type: ['array', 'null'],
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  items: { type: 'string', minLength: 1 },
}

/** Device tags came with 2.32, were lost by accident in 2.33 and 2.37, and are back since 2.42. */
export function networksAt(version: number): Schema {
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

export const legacyBlockDevice: Schema = object(commonBlockDevice)

export const blockDeviceAt = (version: number): Schema =>
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

export const schedulerHints: Schema = object(
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
