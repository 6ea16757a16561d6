import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { XMLParser } from 'fast-xml-parser'
import { LodgeError } from '../../base/errors.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import type { HostCpu, NumaCell } from '../../model/host.ts'
import type { HypervisorCapabilities } from '../hypervisor.ts'
import { chooseVirtType, type VirtTypeSetting } from '../virt-type.ts'

/**
 * What libvirt says of the host, as facts. The first call to a fresh libvirtd takes up to half a minute, while
 * libvirt asks each emulator what it can do.
 * @throws LodgeError unavailable without a connection, internal when the host has no emulator for its own CPU
 */
export async function readCapabilities(
  libvirt: Libvirt,
  setting: VirtTypeSetting,
): Promise<HypervisorCapabilities> {
  const [version, { hostname }, node, memory, { xml }] = await Promise.all([
    libvirt.call('connectGetVersion'),
    libvirt.call('connectGetHostname'),
    libvirt.call('nodeGetInfo'),
    // virNodeGetInfo takes the memory from the NUMA nodes' files, which do not follow memory that was added later.
    libvirt.call('nodeGetMemoryStats', { cell: -1 }),
    libvirt.call('connectGetCapabilities'),
  ])
  const { host, guest } = (parser.parse(xml) as CapabilitiesDocument).capabilities
  const { arch } = host.cpu
  const own = guest.find((each) => each.os_type === 'hvm' && each.arch.name === arch)
  if (!own) throw new LodgeError('internal', `libvirt knows of no emulator for ${arch} on this host`)

  const kvmOffered = own.arch.domain.some(({ type }) => type === 'kvm')
  const { virtType, reason } = chooseVirtType({ setting, kvmOffered, ...(await readKvmFacts()) })
  const domainCapabilities = await libvirt.call('connectGetDomainCapabilities', { arch, virtType })
  const { path, cpu } = (parser.parse(domainCapabilities.xml) as DomainCapabilitiesDocument)
    .domainCapabilities
  return {
    hypervisorVersion: version.hypervisor,
    libvirtVersion: version.library,
    hostname,
    arch,
    virtType,
    virtTypeReason: reason,
    emulator: path,
    machineTypes: machineTypesOf(own),
    cpu: cpuOf(host.cpu),
    numaCells: (host.topology?.cells?.cell ?? []).map(cellOf),
    cpuModes: cpu.mode.filter(({ supported }) => supported === 'yes').map(({ name }) => name),
    onlineCpus: node.cpus,
    memoryMiB: Math.floor((memory.find(({ field }) => field === 'total')?.value ?? node.memoryKiB) / 1024),
  }
}

interface CapabilitiesDocument {
  capabilities: {
    host: { cpu: CpuElement; topology?: { cells?: { cell: CellElement[] } } }
    guest: GuestElement[]
  }
}

interface CpuElement {
  arch: string
  model?: string
  vendor?: string
  topology: { sockets: string; dies?: string; cores: string; threads: string }
  feature?: { name: string }[]
}

interface CellElement {
  id: string
  memory: { '#text': string }
  cpus?: { cpu?: { id: string }[] }
}

interface GuestElement {
  os_type: string
  arch: { name: string; machine?: MachineElement[]; domain: { type: string; machine?: MachineElement[] }[] }
}

/** A bare string when the element has no attributes. */
type MachineElement = string | { '#text': string }

interface DomainCapabilitiesDocument {
  domainCapabilities: {
    path: string
    cpu: { mode: { name: HypervisorCapabilities['cpuModes'][number]; supported: string }[] }
  }
}

const lists = new Set(['guest', 'machine', 'domain', 'feature', 'cell', 'mode'])
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  // `cpu` is a list only inside a NUMA cell, and `domain` is a list only inside a guest's architecture.
  isArray: (name, path) => {
    if (name === 'cpu') return String(path).endsWith('cpus.cpu')
    return lists.has(name) && path !== 'domainCapabilities.domain' && path !== 'domainCapabilities.machine'
  },
})

function machineTypesOf({ arch }: GuestElement): string[] {
  const elements = [...(arch.machine ?? []), ...arch.domain.flatMap(({ machine }) => machine ?? [])]
  return [
    ...new Set(elements.map((element) => (typeof element === 'string' ? element : element['#text']))),
  ].sort()
}

function cpuOf(cpu: CpuElement): HostCpu {
  return {
    arch: cpu.arch,
    vendor: cpu.vendor ?? '',
    model: cpu.model ?? '',
    features: (cpu.feature ?? []).map(({ name }) => name).sort(),
    sockets: Number(cpu.topology.sockets),
    cores: Number(cpu.topology.cores) * Number(cpu.topology.dies ?? 1),
    threads: Number(cpu.topology.threads),
  }
}

function cellOf(cell: CellElement): NumaCell {
  return {
    id: Number(cell.id),
    memoryMiB: Math.floor(Number(cell.memory['#text']) / 1024),
    cpus: (cell.cpus?.cpu ?? []).map(({ id }) => Number(id)),
  }
}

/** What the kernel says of hardware virtualisation; an absent file says that it has none. */
async function readKvmFacts(): Promise<{ cpuInfo: string; modules: string; kvmDevice: boolean }> {
  const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const [cpuInfo, modules] = await Promise.all([text('/proc/cpuinfo'), text('/proc/modules')])
  return { cpuInfo, modules, kvmDevice: existsSync('/dev/kvm') }
}
