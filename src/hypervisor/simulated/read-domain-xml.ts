import { XMLParser } from 'fast-xml-parser'
import { LodgeError } from '../../base/errors.ts'
import { lodgeMetadataNamespace } from '../lodge-metadata.ts'

/** What the simulated hypervisor wants to know of a domain's definition. */
export interface DomainDefinition {
  uuid: string
  name: string
  isLodge: boolean
  vcpus: number
  memoryMiB: number
  /** Targets of the disks, such as `vda`. */
  disks: string[]
  xml: string
}

/**
 * Reads a domain's XML.
 * @throws LodgeError badRequest when it is not a domain with a name and a uuid
 */
export function readDomainXml(xml: string): DomainDefinition {
  const domain = parse(xml)?.domain
  const name = String(domain?.name ?? '')
  const uuid = String(domain?.uuid ?? '').toLowerCase()
  if (!domain || name === '' || !/^[0-9a-f-]{36}$/.test(uuid))
    throw new LodgeError('badRequest', 'XML error: a domain needs a name and a uuid')
  return {
    uuid,
    name,
    isLodge: Object.values(domain.metadata ?? {}).some(carriesNamespace),
    vcpus: Number(textOf(domain.vcpu) ?? 1),
    memoryMiB: Math.round(Number(textOf(domain.memory) ?? 0) / 1024),
    disks: listOf(domain.devices?.disk)
      .map((disk) => disk.target?.['@dev'])
      .filter((target) => target !== undefined),
    xml,
  }
}

interface DomainNode {
  name?: unknown
  uuid?: unknown
  metadata?: Record<string, unknown>
  vcpu?: unknown
  memory?: unknown
  devices?: { disk?: DiskNode | DiskNode[] }
}

interface DiskNode {
  target?: { '@dev'?: string }
}

// Leaves what nobody here reads unparsed: this runs for each of the hundreds of builds a second.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  ignoreDeclaration: true,
  stopNodes: ['domain.sysinfo', 'domain.cpu', 'domain.features', 'domain.clock', 'domain.os'],
})

function parse(xml: string): { domain?: DomainNode } | undefined {
  try {
    return parser.parse(xml) as { domain?: DomainNode }
  } catch (error) {
    throw new LodgeError('badRequest', 'XML error: the domain cannot be parsed', { cause: error })
  }
}

/** The element declares its namespace itself, as `<lodge:server xmlns:lodge="...">` or `<server xmlns="...">`. */
function carriesNamespace(element: unknown): boolean {
  if (typeof element !== 'object' || element === null) return false
  return Object.entries(element).some(
    ([name, value]) => name.startsWith('@xmlns') && value === lodgeMetadataNamespace,
  )
}

function textOf(node: unknown): string | undefined {
  if (typeof node === 'string') return node
  return (node as { '#text'?: string } | undefined)?.['#text']
}

const listOf = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]
