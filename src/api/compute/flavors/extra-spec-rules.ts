/** What the value of an extra spec must be. */
export type ExtraSpecValue =
  | { kind: 'text' }
  | { kind: 'integer'; min?: number }
  | { kind: 'boolean' }
  | { kind: 'choice'; choices: readonly string[] }
  | { kind: 'pattern'; pattern: RegExp }

/** One known extra spec, or a family of them: `name` matches the whole key. */
export interface ExtraSpecRule {
  name: RegExp
  value: ExtraSpecValue
}

const text: ExtraSpecValue = { kind: 'text' }
const integer: ExtraSpecValue = { kind: 'integer' }
const natural: ExtraSpecValue = { kind: 'integer', min: 0 }
const positive: ExtraSpecValue = { kind: 'integer', min: 1 }
const boolean: ExtraSpecValue = { kind: 'boolean' }
const choice = (...choices: string[]): ExtraSpecValue => ({ kind: 'choice', choices })
const pattern = (regex: RegExp): ExtraSpecValue => ({ kind: 'pattern', pattern: regex })

/** A set of CPUs as in `0-3,^2`. */
const cpuSet = pattern(/^\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*$/)
/** The number or name that ties `resources` and `trait` of one request group together; empty for the first. */
const group = '([a-zA-Z0-9_-]{1,64})?'

/**
 * The extra specs that Nova knows from 2.86 on, by namespace. A key in one of these namespaces must match a rule;
 * other namespaces, and keys without one, are free.
 */
export const extraSpecRules: Record<string, ExtraSpecRule[]> = {
  accel: [one('accel:device_profile', text)],
  aggregate_instance_extra_specs: [family('aggregate_instance_extra_specs:.+', text)],
  capabilities: [
    family(`capabilities:(${plainCapabilities().join('|')})`, text),
    family(`capabilities:(${nestedCapabilities().join('|')})(:\\w+)*`, text),
  ],
  hw: [
    one('hw:boot_menu', boolean),
    one('hw:cpu_dedicated_mask', cpuSet),
    one('hw:cpu_policy', choice('dedicated', 'shared', 'mixed')),
    one('hw:cpu_realtime', boolean),
    one('hw:cpu_realtime_mask', cpuSet),
    one('hw:cpu_thread_policy', choice('prefer', 'isolate', 'require')),
    family('hw:(max_)?cpu_(sockets|cores|threads)', positive),
    one('hw:emulator_threads_policy', choice('isolate', 'share')),
    one('hw:ephemeral_encryption', boolean),
    one('hw:ephemeral_encryption_format', choice('luks')),
    one('hw:hide_hypervisor_id', boolean),
    one('hw:locked_memory', boolean),
    one('hw:maxphysaddr_bits', natural),
    one('hw:maxphysaddr_mode', choice('passthrough', 'emulate')),
    one('hw:mem_encryption', boolean),
    one('hw:mem_encryption_model', choice('amd-sev', 'amd-sev-es')),
    one('hw:mem_page_size', pattern(/^(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)$/)),
    family('hw:numa_cpus\\.\\d+', cpuSet),
    family('hw:numa_mem\\.\\d+', positive),
    one('hw:numa_nodes', positive),
    one('hw:pci_numa_affinity_policy', choice('required', 'preferred', 'legacy', 'socket')),
    one('hw:pmem', pattern(/^\w+(,\w+)*,?$/)),
    one('hw:pmu', boolean),
    one('hw:redirected_usb_ports', natural),
    one('hw:serial_port_count', natural),
    one('hw:sound_model', choice('ac97', 'es1370', 'ich6', 'ich9', 'pcspk', 'sb16', 'usb', 'virtio')),
    one('hw:tpm_model', choice('tpm-tis', 'tpm-crb')),
    one('hw:tpm_secret_security', choice('user', 'host', 'deployment')),
    one('hw:tpm_version', choice('1.2', '2.0')),
    one('hw:usb_model', choice('qemu-xhci', 'nec-xhci')),
    one('hw:vif_multiqueue_enabled', boolean),
    one('hw:viommu_model', choice('intel', 'smmuv3', 'virtio', 'auto')),
    one('hw:virtio_packed_ring', boolean),
    one('hw:watchdog_action', choice('none', 'pause', 'poweroff', 'reset', 'disabled')),
  ],
  hw_rng: [one('hw_rng:allowed', boolean), family('hw_rng:rate_(bytes|period)', natural)],
  hw_video: [one('hw_video:ram_max_mb', natural)],
  os: [one('os:secure_boot', choice('disabled', 'required'))],
  pci_passthrough: [one('pci_passthrough:alias', pattern(/^[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*$/))],
  quota: [
    family('quota:(cpu|memory|disk_io|vif)_(limit|reservation|shares_share)', integer),
    family('quota:(cpu|memory|disk_io|vif)_shares_level', text),
    family('quota:cpu_(shares|period|quota)', natural),
    family('quota:disk_(read|write|total)_(bytes|iops)_sec(_max|_max_length)?', natural),
    family('quota:vif_(inbound|outbound)_(average|peak|burst)', natural),
  ],
  resources: [
    family(`resources${group}:(${standardResourceClasses().join('|')})`, integer),
    family(`resources${group}:CUSTOM_[A-Z0-9_]+`, integer),
  ],
  trait: [
    family(
      `trait${group}:(COMPUTE|CUSTOM|HW|MISC|OWNER|STORAGE)_[A-Z0-9_]+`,
      choice('required', 'forbidden'),
    ),
  ],
  vmware: [one('vmware:hw_version', text), one('vmware:storage_policy', text)],
}

/** Known extra specs without a namespace. */
export const plainExtraSpecRules: ExtraSpecRule[] = [
  one('group_policy', choice('isolate', 'none')),
  one('hide_hypervisor_id', boolean),
]

function one(name: string, value: ExtraSpecValue): ExtraSpecRule {
  return family(name, value)
}

function family(name: string, value: ExtraSpecValue): ExtraSpecRule {
  return { name: new RegExp(`^${name}$`), value }
}

function plainCapabilities(): string[] {
  return [
    'aggregates',
    'cell_uuid',
    'cpu_allocation_ratio',
    'current_workload',
    'disk_allocation_ratio',
    'disk_available_least',
    'disk_mb_used',
    'failed_builds',
    'free_disk_gb',
    'free_disk_mb',
    'free_ram_mb',
    'host',
    'host_ip',
    'hypervisor_hostname',
    'hypervisor_type',
    'hypervisor_version',
    'id',
    'local_gb',
    'local_gb_used',
    'mapped',
    'memory_mb',
    'memory_mb_used',
    'num_instances',
    'num_io_ops',
    'ram_allocation_ratio',
    'running_vms',
    'service_id',
    'total_usable_disk_gb',
    'total_usable_ram_mb',
    'updated',
    'uuid',
    'vcpus',
    'vcpus_total',
    'vcpus_used',
  ]
}

function nestedCapabilities(): string[] {
  return [
    'cpu_info',
    'instances',
    'limits',
    'metrics',
    'nodename',
    'numa_topology',
    'pci_device_pools',
    'pci_stats',
    'stats',
    'supported_hv_specs',
    'supported_instances',
  ]
}

function standardResourceClasses(): string[] {
  return [
    'DISK_GB',
    'FPGA',
    'IPV4_ADDRESS',
    'MEMORY_MB',
    'MEM_ENCRYPTION_CONTEXT',
    'NET_BW_EGR_KILOBIT_PER_SEC',
    'NET_BW_IGR_KILOBIT_PER_SEC',
    'NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC',
    'NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC',
    'NET_PACKET_RATE_KILOPACKET_PER_SEC',
    'NUMA_CORE',
    'NUMA_MEMORY_MB',
    'NUMA_SOCKET',
    'NUMA_THREAD',
    'PCI_DEVICE',
    'PCPU',
    'PGPU',
    'SRIOV_NET_VF',
    'VCPU',
    'VGPU',
    'VGPU_DISPLAY_HEAD',
  ]
}
