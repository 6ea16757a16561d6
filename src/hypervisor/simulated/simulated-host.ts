import type { HypervisorCapabilities } from '../hypervisor.ts'

const features = [
  'aes',
  'avx',
  'avx2',
  'cx16',
  'pcid',
  'popcnt',
  'rdrand',
  'sse4.1',
  'sse4.2',
  'ssse3',
  'x2apic',
]

/** What a simulated host can do, unless told otherwise: 64 CPUs in two cells, 256 GiB of memory. */
export function simulatedCapabilities(
  overrides: Partial<HypervisorCapabilities> = {},
): HypervisorCapabilities {
  const cpus = overrides.onlineCpus ?? 64
  const memoryMiB = overrides.memoryMiB ?? 262_144
  return {
    hypervisorVersion: 7_002_000,
    libvirtVersion: 9_000_000,
    hostname: 'simulated',
    arch: 'x86_64',
    virtType: 'qemu',
    virtTypeReason: 'Guests are simulated: no hypervisor runs.',
    emulator: '/usr/bin/qemu-system-x86_64',
    machineTypes: ['pc', 'pc-i440fx-7.2', 'pc-q35-7.2', 'q35'],
    cpu: {
      arch: 'x86_64',
      vendor: 'Lodge',
      model: 'simulated',
      features,
      sockets: 2,
      cores: Math.max(1, cpus / 4),
      threads: 2,
    },
    numaCells: [0, 1].map((id) => ({
      id,
      memoryMiB: Math.floor(memoryMiB / 2),
      cpus: Array.from({ length: Math.floor(cpus / 2) }, (_, index) => id * Math.floor(cpus / 2) + index),
    })),
    cpuModes: ['maximum', 'host-model', 'custom'],
    onlineCpus: cpus,
    memoryMiB,
    ...overrides,
  }
}
