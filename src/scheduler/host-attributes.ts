import type { HostTable } from './host-table.ts'

type Attribute = string | number | readonly string[] | undefined

/** Numbers and names of a host under the names that Nova's host state has for them. */
const attributes: Record<string, (table: HostTable, index: number) => Attribute> = {
  host: ({ facts }, i) => facts[i]!.name,
  nodename: ({ facts }, i) => facts[i]!.description?.hypervisorHostname,
  hypervisor_hostname: ({ facts }, i) => facts[i]!.description?.hypervisorHostname,
  hypervisor_type: ({ facts }, i) => facts[i]!.description?.hypervisorType,
  hypervisor_version: ({ facts }, i) => facts[i]!.description?.hypervisorVersion,
  host_ip: ({ facts }, i) => facts[i]!.description?.hostIp,
  free_ram_mb: ({ freeMemory }, i) => freeMemory[i],
  free_disk_mb: ({ freeDisk }, i) => freeDisk[i]! * 1024,
  free_disk_gb: ({ freeDisk }, i) => freeDisk[i],
  total_usable_ram_mb: ({ capacityMemory }, i) => capacityMemory[i],
  total_usable_disk_gb: ({ capacityDisk }, i) => capacityDisk[i],
  vcpus_total: ({ facts }, i) => facts[i]!.description?.vcpus.total,
  vcpus_used: ({ capacityVcpus, freeVcpus }, i) => capacityVcpus[i]! - freeVcpus[i]!,
  num_io_ops: ({ ioOps }, i) => ioOps[i],
  num_instances: ({ servers }, i) => servers[i],
  failed_builds: ({ failedBuilds }, i) => failedBuilds[i],
}

/** One number or name of a host, undefined for what is not known. */
export const attributeOf = (table: HostTable, index: number, name: string): Attribute =>
  Object.hasOwn(attributes, name) ? attributes[name]!(table, index) : undefined

/** A host's capability by its path: an attribute, or something of its CPU as in `cpu_info:features`. */
export function capabilityOf(table: HostTable, index: number, path: readonly string[]): Attribute {
  const [first = '', second, third] = path
  if (first !== 'cpu_info') return path.length === 1 ? attributeOf(table, index, first) : undefined
  const cpu = table.facts[index]!.description?.cpu
  if (!cpu) return undefined
  const { arch, vendor, model, features, sockets, cores, threads } = cpu
  const info: Record<string, Attribute> = { arch, vendor, model, features }
  const topology: Record<string, Attribute> = { sockets, cores, threads }
  const [from, key] = second === 'topology' ? [topology, third] : [info, third === undefined ? second : '']
  return key !== undefined && Object.hasOwn(from, key) ? from[key] : undefined
}
