import { XMLParser } from 'fast-xml-parser'
import { LodgeError } from '../../base/errors.ts'
import type { HostCpu, NumaCell } from '../../model/host.ts'
import type { HypervisorCapabilities } from '../hypervisor.ts'

/** Of libvirt's capabilities what Lodge wants to know. */
export interface HostCapabilities {
  cpu: HostCpu
  numaCells: NumaCell[]
  /** That guests of the host's own architecture may have, names and aliases, sorted. */
  machineTypes: string[]
  /** libvirt has KVM for the host's architecture, which does not mean that it works. */
  kvmOffered: boolean
}

/**
 * Reads the document of virConnectGetCapabilities.
 * @throws LodgeError internal when the host has no emulator for its own CPU
 */
export function parseHostCapabilities(xml: string): HostCapabilities {
  const { host, guest } = (parser.parse(xml) as CapabilitiesDocument).capabilities
  const { arch } = host.cpu
  const own = guest?.find((each) => each.os_type === 'hvm' && each.arch.name === arch)
  if (!own)
    throw new LodgeError(
      'internal',
      `libvirt knows of no emulator for ${arch} on this host: install QEMU for that architecture`,
    )
  return {
    cpu: cpuOf(host.cpu),
    numaCells: (host.topology?.cells?.cell ?? []).map(cellOf),
    machineTypes: machineTypesOf(own),
    kvmOffered: own.arch.domain.some(({ type }) => type === 'kvm'),
  }
}

/** Reads the document of virConnectGetDomainCapabilities: the emulator's path and the CPU modes that it has. */
export function parseDomainCapabilities(xml: string): Pick<HypervisorCapabilities, 'emulator' | 'cpuModes'> {
  const { path, cpu } = (parser.parse(xml) as DomainCapabilitiesDocument).domainCapabilities
  return {
    emulator: path,
    cpuModes: (cpu?.mode ?? []).filter(({ supported }) => supported === 'yes').map(({ name }) => name),
  }
}

interface CapabilitiesDocument {
  capabilities: {
    host: { cpu: CpuElement; topology?: { cells?: { cell: CellElement[] } } }
    guest?: GuestElement[]
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
    cpu?: { mode?: { name: HypervisorCapabilities['cpuModes'][number]; supported: string }[] }
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
