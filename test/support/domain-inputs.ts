import type { DomainInput } from '../../src/agent/domain-xml/domain-xml.ts'
import type { ServerDisk } from '../../src/agent/disk/disks.ts'
import type { HypervisorCapabilities } from '../../src/hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../src/model/server-spec.ts'

/** A server with everything ordinary about it; tests change what they are about. */
export const plainSpec: ServerSpec = {
  id: '6a1c2f0e-4b7d-4e55-9c3a-0d9f8e7b6a51',
  domainName: 'instance-0000002a',
  name: 'web-1',
  hostname: 'web-1',
  projectId: '0123456789abcdef0123456789abcdef',
  projectName: 'shop',
  userId: 'fedcba9876543210fedcba9876543210',
  userName: 'ada',
  createdAt: Date.UTC(2026, 10, 20, 9, 30),
  machineType: null,
  flavor: {
    id: '1',
    name: 'm1.tiny',
    vcpus: 1,
    memoryMiB: 512,
    rootGiB: 1,
    ephemeralGiB: 0,
    swapMiB: 0,
    extraSpecs: {},
  },
  image: {
    id: '11112222-3333-4444-5555-666677778888',
    name: 'guest',
    diskFormat: 'qcow2',
    sizeBytes: 5_000_000,
    sha512: 'ab'.repeat(64),
    minDiskGiB: 0,
    properties: {},
  },
}

export const tcgCapabilities: HypervisorCapabilities = {
  hypervisorVersion: 7_002_022,
  libvirtVersion: 9_000_000,
  hostname: 'host-1',
  arch: 'x86_64',
  virtType: 'qemu',
  virtTypeReason: '',
  emulator: '/usr/bin/qemu-system-x86_64',
  machineTypes: ['pc', 'pc-i440fx-7.2', 'q35', 'pc-q35-7.2'],
  cpu: { arch: 'x86_64', vendor: 'AMD', model: 'EPYC', features: [], sockets: 1, cores: 2, threads: 1 },
  numaCells: [],
  cpuModes: ['maximum', 'host-model', 'custom'],
  onlineCpus: 2,
  memoryMiB: 8192,
}

const directory = `/var/lib/lodge/servers/${plainSpec.id}`

const rootDisk: ServerDisk = {
  file: `${directory}/disk`,
  format: 'qcow2',
  role: 'root',
  sizeBytes: 2 ** 30,
  backing: { file: `/var/lib/lodge/images/${'ab'.repeat(32)}`, format: 'raw' },
  directIo: true,
  bus: 'virtio',
  target: 'vda',
}

const plain: DomainInput = {
  spec: plainSpec,
  disks: { disks: [rootDisk] },
  capabilities: tcgCapabilities,
  settings: {
    cpuMode: 'auto',
    cpuModel: null,
    machineType: null,
    vnc: { enabled: true, listen: '127.0.0.1' },
  },
  consoleLogPath: `${directory}/console.log`,
}

const withImage = (properties: Record<string, string>): ServerSpec => ({
  ...plainSpec,
  image: { ...plainSpec.image, properties },
})

/** One server for each thing that a domain may have or lack; the key is the name of its golden file. */
export const domainInputs: Record<string, DomainInput> = {
  plain,
  kvm: {
    ...plain,
    capabilities: {
      ...tcgCapabilities,
      virtType: 'kvm',
      cpuModes: ['host-passthrough', 'maximum', 'host-model', 'custom'],
    },
  },
  'kvm-windows': {
    ...plain,
    spec: withImage({ os_type: 'windows', hw_video_model: 'vga' }),
    capabilities: { ...tcgCapabilities, virtType: 'kvm' },
  },
  'all-disks': {
    ...plain,
    spec: {
      ...plainSpec,
      flavor: { ...plainSpec.flavor, vcpus: 4, memoryMiB: 4096, ephemeralGiB: 10, swapMiB: 512 },
    },
    disks: {
      disks: [
        { ...rootDisk, directIo: false },
        {
          ...rootDisk,
          file: `${directory}/disk.eph0`,
          format: 'raw',
          role: 'ephemeral',
          backing: null,
          target: 'vdb',
        },
        {
          ...rootDisk,
          file: `${directory}/disk.swap`,
          format: 'raw',
          role: 'swap',
          backing: null,
          target: 'vdc',
        },
      ],
    },
  },
  uefi: { ...plain, spec: withImage({ hw_firmware_type: 'uefi', hw_machine_type: 'q35' }) },
  'scsi-q35': {
    ...plain,
    spec: withImage({ hw_machine_type: 'q35', hw_disk_bus: 'scsi', hw_qemu_guest_agent: 'no' }),
    disks: { disks: [{ ...rootDisk, bus: 'scsi', target: 'sda' }] },
  },
  'no-screen-named-cpu': {
    ...plain,
    spec: { ...plainSpec, flavor: { ...plainSpec.flavor, extraSpecs: { 'hw_rng:allowed': 'False' } } },
    settings: {
      cpuMode: 'custom',
      cpuModel: 'qemu64',
      machineType: 'pc-i440fx-7.2',
      vnc: { enabled: false, listen: '127.0.0.1' },
    },
  },
  'hostile-strings': {
    ...plain,
    spec: {
      ...plainSpec,
      name: `"/><evil a='1'>&amp; ]]> <!-- ü 漢 🛖 \u0000\u001b\ud800\n</domain>`,
      userName: '<script>',
      flavor: {
        ...plainSpec.flavor,
        extraSpecs: { 'key"><x>': 'one\ttwo\r\nthree', 'quota:cpu_shares': '10' },
      },
      image: { ...plainSpec.image, name: '--><disk type="file"/>' },
    },
  },
}
