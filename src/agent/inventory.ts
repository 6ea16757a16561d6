import type { Config } from '../base/config.ts'
import type { Hypervisor, HypervisorCapabilities } from '../hypervisor/hypervisor.ts'
import type { HostDescription } from '../model/host.ts'
import type { Disks } from './disk/disks.ts'
import type { Machine } from './machine.ts'

export interface InventoryOptions {
  host: string
  hostId: string
  hypervisor: Hypervisor
  capabilities: () => Promise<HypervisorCapabilities>
  disks: Disks
  machine: Machine
  activeDomains: () => number
  settings: Config['agent']
}

/** What the host is and has now. Cheap: it is asked with each heartbeat. */
export async function describeHost(options: InventoryOptions): Promise<HostDescription> {
  const { hypervisor, machine, settings } = options
  const [capabilities, memoryUsedMiB, capacity, hostIp] = await Promise.all([
    options.capabilities(),
    hypervisor.memoryUsedMiB(),
    options.disks.capacity(),
    machine.hostIp(),
  ])
  return {
    name: options.host,
    id: options.hostId,
    hypervisorType: capabilities.virtType === 'kvm' ? 'KVM' : 'QEMU',
    hypervisorVersion: capabilities.hypervisorVersion,
    libvirtVersion: capabilities.libvirtVersion,
    hypervisorHostname: hypervisor.kind === 'simulated' ? options.host : capabilities.hostname,
    hostIp,
    vcpus: {
      total: capabilities.onlineCpus,
      reserved: settings.reservedCpus,
      allocationRatio: settings.cpuAllocationRatio,
    },
    memoryMiB: {
      total: capabilities.memoryMiB,
      reserved: settings.reservedMemoryMiB,
      allocationRatio: settings.memoryAllocationRatio,
    },
    diskGiB: {
      total: capacity.totalGiB,
      reserved: Math.ceil(settings.reservedDiskMiB / 1024),
      allocationRatio: settings.diskAllocationRatio,
    },
    diskFreeGiB: capacity.freeGiB,
    memoryUsedMiB,
    runningDomains: options.activeDomains(),
    uptimeSeconds: machine.uptimeSeconds(),
    loadAverage: machine.loadAverage(),
    cpu: capabilities.cpu,
    numaCells: capabilities.numaCells,
    machineTypes: capabilities.machineTypes,
    accelerationReason: capabilities.virtTypeReason,
  }
}
