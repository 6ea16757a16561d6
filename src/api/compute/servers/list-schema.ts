import type { VersionedSchema } from '../../common/route.ts'
import { anyString, nonNegativeInteger, object, repeated } from '../../common/schema-parts.ts'

type Schema = Record<string, unknown>

const patterns = [
  'access_ip_v4',
  'access_ip_v6',
  'auto_disk_config',
  'availability_zone',
  'config_drive',
  'created_at',
  'description',
  'display_description',
  'display_name',
  'flavor',
  'hostname',
  'ip',
  'ip6',
  'kernel_id',
  'key_name',
  'launched_at',
  'locked_by',
  'name',
  'node',
  'power_state',
  'progress',
  'ramdisk_id',
  'reservation_id',
  'root_device_name',
  'terminated_at',
]

const texts = [
  'all_tenants',
  'block_device_mapping',
  'deleted',
  'host',
  'image',
  'image_ref',
  'info_cache',
  'launch_index',
  'marker',
  'metadata',
  'pci_devices',
  'project_id',
  'security_groups',
  'services',
  'soft_deleted',
  'sort_dir',
  'status',
  'system_metadata',
  'task_state',
  'tenant_id',
  'user_id',
  'uuid',
  'vm_state',
]

const tagFilters = ['tags', 'tags-any', 'not-tags', 'not-tags-any']

const sortKeys = [
  'access_ip_v4',
  'access_ip_v6',
  'auto_disk_config',
  'availability_zone',
  'config_drive',
  'created_at',
  'display_description',
  'display_name',
  'host',
  'hostname',
  'image_ref',
  'instance_type_id',
  'kernel_id',
  'key_name',
  'launch_index',
  'launched_at',
  'locked_by',
  'node',
  'power_state',
  'progress',
  'project_id',
  'ramdisk_id',
  'root_device_name',
  'task_state',
  'terminated_at',
  'updated_at',
  'user_id',
  'uuid',
  'vm_state',
]

/** Accepted until 2.74, and of no effect then either. */
const forgottenSortKeys = [
  'architecture',
  'cell_name',
  'cleaned',
  'default_ephemeral_device',
  'default_swap_device',
  'deleted',
  'deleted_at',
  'disable_terminate',
  'ephemeral_gb',
  'ephemeral_key_uuid',
  'id',
  'key_data',
  'launched_on',
  'memory_mb',
  'os_type',
  'reservation_id',
  'root_gb',
  'shutdown_terminate',
  'user_data',
  'vcpus',
  'vm_mode',
]

/** The query of `GET /servers` and `GET /servers/detail`. Unknown keys are let through until 2.74. */
export const listSchemas: VersionedSchema[] = [
  { max: 25, schema: queryAt(1) },
  { min: 26, max: 65, schema: queryAt(26) },
  { min: 66, max: 72, schema: queryAt(66) },
  { min: 73, max: 74, schema: queryAt(73) },
  { min: 75, schema: queryAt(75) },
]

function queryAt(version: number): Schema {
  const pattern = repeated({ type: 'string', format: 'regex' })
  const time = repeated({ type: 'string', format: 'date-time' })
  const keys = [...sortKeys, 'locked', ...(version < 75 ? forgottenSortKeys : [])]
  const every = (names: string[], schema: Schema): Record<string, Schema> =>
    Object.fromEntries(names.map((name) => [name, schema]))
  return {
    ...object(
      {
        ...every(patterns, pattern),
        ...every(texts, repeated(anyString)),
        ...(version >= 26 ? every(tagFilters, pattern) : {}),
        limit: repeated(nonNegativeInteger),
        sort_key: repeated({ type: 'string', enum: keys }),
        'changes-since': time,
        ...(version >= 66 ? { 'changes-before': time } : {}),
        ...(version >= 73 ? { locked: repeated(anyString) } : {}),
      },
      { open: version < 75 },
    ),
    patternProperties: { '^_': repeated(anyString) },
  }
}
