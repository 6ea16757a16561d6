import type {
  PlacementCandidate,
  PlacementFilter,
  PlacementReasons,
  PlacementRejection,
} from '../model/placement.ts'
import type { Resources } from '../model/server-spec.ts'

/** A host as the scheduler sees it. */
export interface HostState {
  name: string
  availabilityZone: string
  /** Its agent was heard of lately. */
  up: boolean
  disabled: boolean
  forcedDown: boolean
  /** With ratio and reserve applied. */
  capacity: Resources
  used: Resources
}

export interface PlaceRequest {
  /** Breaks ties between equal hosts: different seeds spread over them, the same seed gives the same answer. */
  seed: string
  resources: Resources
  /** null: any. */
  availabilityZone: string | null
  /** Taken without asking the filters, as Nova does with an availability zone of the form `zone:host`. */
  forcedHost?: string | null
  /** Filters run on this host alone. */
  requestedHost?: string | null
  /** Hosts that failed already. */
  excluded?: readonly string[]
}

export interface PlaceOptions {
  ramWeight: number
  cpuWeight: number
  diskWeight: number
  /** How many candidates to return at most. */
  candidates: number
}

export interface PlaceResult {
  /** Names of hosts, best first. */
  candidates: string[]
  reasons: PlacementReasons
}

/**
 * Chooses hosts for a server: filters, then weighs what passes. Each weigher looks at what is free of one resource
 * (more is better), normalised to 0..1 over the hosts that passed and multiplied, as Nova's weighers; the sum
 * decides, and among equals a hash of seed and name. Pure, and linear in the number of hosts.
 */
export function place(
  request: PlaceRequest,
  hosts: readonly HostState[],
  options: PlaceOptions,
): PlaceResult {
  if (request.forcedHost != null) return placeForced(request.forcedHost, hosts)
  const rejections = new Map<PlacementFilter, PlacementRejection>()
  const passed: HostState[] = []
  for (const host of hosts) {
    const filter = rejectedBy(request, host)
    if (filter === null) passed.push(host)
    else note(rejections, filter, host.name)
  }
  const candidates = best(request.seed, passed, options)
  return {
    candidates: candidates.map((candidate) => candidate.host),
    reasons: {
      hosts: hosts.length,
      passed: passed.length,
      rejected: [...rejections.values()],
      candidates,
    },
  }
}

function placeForced(forcedHost: string, hosts: readonly HostState[]): PlaceResult {
  const host = hosts.find(({ name }) => sameName(name, forcedHost))
  const candidates = host ? [{ host: host.name, weight: 0, ram: 0, cpu: 0, disk: 0 }] : []
  return {
    candidates: candidates.map((candidate) => candidate.host),
    reasons: {
      hosts: hosts.length,
      passed: candidates.length,
      rejected: host ? [] : [{ filter: 'not-requested', count: hosts.length, hosts: [] }],
      candidates,
      forced: true,
    },
  }
}

/** The first filter that turns the host away, or null. */
function rejectedBy(request: PlaceRequest, host: HostState): PlacementFilter | null {
  if (request.requestedHost != null && !sameName(host.name, request.requestedHost)) return 'not-requested'
  if (request.excluded?.includes(host.name)) return 'already-tried'
  if (host.forcedDown) return 'forced-down'
  if (!host.up) return 'down'
  if (host.disabled) return 'disabled'
  if (request.availabilityZone !== null && host.availabilityZone !== request.availabilityZone)
    return 'availability-zone'
  const { capacity, used } = host
  const { vcpus, memoryMiB, diskGiB } = request.resources
  if (vcpus > 0 && used.vcpus + vcpus > capacity.vcpus) return 'vcpus'
  if (memoryMiB > 0 && used.memoryMiB + memoryMiB > capacity.memoryMiB) return 'memory'
  if (diskGiB > 0 && used.diskGiB + diskGiB > capacity.diskGiB) return 'disk'
  return null
}

/** Nova compares the names of asked-for hosts without regard to case. */
const sameName = (a: string, b: string): boolean => a === b || a.toLowerCase() === b.toLowerCase()

/** How many hosts a rejection names; it counts all. */
const namedHosts = 5

function note(
  rejections: Map<PlacementFilter, PlacementRejection>,
  filter: PlacementFilter,
  host: string,
): void {
  let rejection = rejections.get(filter)
  if (!rejection) rejections.set(filter, (rejection = { filter, count: 0, hosts: [] }))
  rejection.count += 1
  if (rejection.hosts.length < namedHosts) rejection.hosts.push(host)
}

interface Range {
  min: number
  max: number
}

/** The best hosts in order, without sorting all of them. */
function best(seed: string, hosts: readonly HostState[], options: PlaceOptions): PlacementCandidate[] {
  const ram = rangeOf(hosts, freeMemory)
  const cpu = rangeOf(hosts, freeVcpus)
  const disk = rangeOf(hosts, freeDisk)
  const top: (PlacementCandidate & { tie: number })[] = []
  for (const host of hosts) {
    const parts = {
      ram: options.ramWeight * normalised(freeMemory(host), ram),
      cpu: options.cpuWeight * normalised(freeVcpus(host), cpu),
      disk: options.diskWeight * normalised(freeDisk(host), disk),
    }
    const weight = parts.ram + parts.cpu + parts.disk
    const last = top[top.length - 1]
    if (last && top.length === options.candidates && weight < last.weight) continue
    const tie = hash(seed, host.name)
    let at = top.length
    while (at > 0 && isBetter(weight, tie, top[at - 1]!)) at -= 1
    if (at >= options.candidates) continue
    top.splice(at, 0, { host: host.name, weight, ...parts, tie })
    if (top.length > options.candidates) top.pop()
  }
  return top.map(({ host, weight, ram, cpu, disk }) => ({
    host,
    weight: rounded(weight),
    ram: rounded(ram),
    cpu: rounded(cpu),
    disk: rounded(disk),
  }))
}

const isBetter = (weight: number, tie: number, than: { weight: number; tie: number }): boolean =>
  weight > than.weight || (weight === than.weight && tie > than.tie)

const freeMemory = (host: HostState): number => host.capacity.memoryMiB - host.used.memoryMiB
const freeVcpus = (host: HostState): number => host.capacity.vcpus - host.used.vcpus
const freeDisk = (host: HostState): number => host.capacity.diskGiB - host.used.diskGiB

function rangeOf(hosts: readonly HostState[], free: (host: HostState) => number): Range {
  let min = Infinity
  let max = -Infinity
  for (const host of hosts) {
    const value = free(host)
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

const normalised = (value: number, { min, max }: Range): number =>
  max > min ? (value - min) / (max - min) : 0

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000

/** FNV-1a over both strings with a last mix, 32 bits: spreads well and costs nothing. */
function hash(a: string, b: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < a.length; i += 1) value = Math.imul(value ^ a.charCodeAt(i), 0x01000193)
  for (let i = 0; i < b.length; i += 1) value = Math.imul(value ^ b.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return (value ^ (value >>> 13)) >>> 0
}
