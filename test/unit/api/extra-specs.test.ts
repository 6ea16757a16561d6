import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkExtraSpec } from '../../../src/api/compute/flavors/check-extra-spec.ts'
import { LodgeError } from '../../../src/base/errors.ts'

const good: [string, string][] = [
  ['hw:cpu_policy', 'dedicated'],
  ['hw:cpu_sockets', '2'],
  ['hw:max_cpu_threads', '1'],
  ['hw:numa_nodes', '2'],
  ['hw:numa_cpus.0', '0-3,^2'],
  ['hw:numa_mem.12', '512'],
  ['hw:mem_page_size', '2MB'],
  ['hw:mem_page_size', 'large'],
  ['hw:boot_menu', 'Yes'],
  ['hw_rng:allowed', 'false'],
  ['quota:disk_read_bytes_sec', '1000'],
  ['quota:vif_inbound_average', '0'],
  ['resources:VCPU', '2'],
  ['resources1:CUSTOM_GOLD', '1'],
  ['resources_net-1:NET_BW_EGR_KILOBIT_PER_SEC', '1000'],
  ['trait:HW_CPU_X86_AVX2', 'required'],
  ['trait_2:CUSTOM_SLOW', 'forbidden'],
  ['group_policy', 'isolate'],
  ['aggregate_instance_extra_specs:ssd', '<or> a <or> b'],
  ['capabilities:cpu_info:arch', 's== x86_64'],
  ['capabilities:vcpus', '>= 2'],
  ['pci_passthrough:alias', 'gpu:1, nic:2'],
  ['os:secure_boot', 'required'],
  ['mine:anything', 'goes'],
  ['without a namespace', 'goes too'],
  ['constructor:x', 'goes too'],
]

const bad: [string, string, RegExp][] = [
  ['hw:cpu_polic', 'dedicated', /does not appear to be a valid extra spec/],
  ['hw:cpu_policy', 'sometimes', /is not one of: dedicated, shared, mixed/],
  ['hw:numa_nodes', 'two', /is not a valid integer/],
  ['hw:numa_nodes', '0', /less than the min value of '1'/],
  ['hw:numa_cpus.x', '1', /does not appear/],
  ['hw:numa_cpus.0', '1..3', /is not of the format/],
  ['hw:boot_menu', 'maybe', /is not a valid boolean/],
  ['quota:cpu_shares', '-1', /less than the min/],
  ['resources:NOTHING', '1', /does not appear/],
  ['resources:VCPU', 'many', /is not a valid integer/],
  ['trait:HW_CPU_X86_AVX2', 'preferred', /is not one of/],
  ['trait:lower_case', 'required', /does not appear/],
  ['group_policy', 'any', /is not one of/],
  ['capabilities:anything', '1', /does not appear/],
]

test('extra specs of known namespaces must be known ones with values of their type', () => {
  for (const [key, value] of good) assert.doesNotThrow(() => checkExtraSpec(key, value), `${key}=${value}`)
  for (const [key, value, message] of bad)
    assert.throws(
      () => checkExtraSpec(key, value),
      (error) => error instanceof LodgeError && error.status === 400 && message.test(error.message),
      `${key}=${value}`,
    )
})
