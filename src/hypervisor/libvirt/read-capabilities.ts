import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import type { HypervisorCapabilities } from '../hypervisor.ts'
import { chooseVirtType, type VirtTypeSetting } from '../virt-type.ts'
import { readHostMemory } from './host-memory.ts'
import { parseDomainCapabilities, parseHostCapabilities } from './parse-capabilities.ts'

/**
 * What libvirt says of the host, as facts. The first call to a fresh libvirtd takes up to half a minute, while
 * libvirt asks each emulator what it can do.
 * @throws LodgeError unavailable without a connection, internal when the host has no emulator for its own CPU
 */
export async function readCapabilities(
  libvirt: Libvirt,
  setting: VirtTypeSetting,
): Promise<HypervisorCapabilities> {
  const [version, { hostname }, { cpus }, { totalMiB }, { xml }, kvm] = await Promise.all([
    libvirt.call('connectGetVersion'),
    libvirt.call('connectGetHostname'),
    libvirt.call('nodeGetInfo'),
    readHostMemory(libvirt),
    libvirt.call('connectGetCapabilities'),
    readKvmFacts(),
  ])
  const { kvmOffered, ...host } = parseHostCapabilities(xml)
  const { arch } = host.cpu
  const { virtType, reason } = chooseVirtType({ setting, kvmOffered, ...kvm })
  const domain = await libvirt.call('connectGetDomainCapabilities', { arch, virtType })
  return {
    hypervisorVersion: version.hypervisor,
    libvirtVersion: version.library,
    hostname,
    arch,
    virtType,
    virtTypeReason: reason,
    ...host,
    ...parseDomainCapabilities(domain.xml),
    onlineCpus: cpus,
    memoryMiB: totalMiB,
  }
}

/** What the kernel says of hardware virtualisation; an absent file says that it has none. */
async function readKvmFacts(): Promise<{ cpuInfo: string; modules: string; kvmDevice: boolean }> {
  const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const [cpuInfo, modules] = await Promise.all([text('/proc/cpuinfo'), text('/proc/modules')])
  return { cpuInfo, modules, kvmDevice: existsSync('/dev/kvm') }
}
