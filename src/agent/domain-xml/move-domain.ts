import { XMLParser } from 'fast-xml-parser'
import { LodgeError } from '../../base/errors.ts'
import type { MigrationTarget } from '../../contract/command.ts'
import { renderXml, type XmlElement } from './xml-element.ts'

/**
 * A domain's XML with the paths and addresses of another host in the place of this one's: disks by their targets, the
 * console's log, and where the screen listens. All else stays, since the guest must find the same machine.
 * @throws LodgeError internal for a disk of which the other host said nothing
 */
export function moveDomain(xml: string, target: MigrationTarget): string {
  const domain = parse(xml)
  const devices = find(domain, 'devices')
  if (devices)
    for (const device of childrenOf(devices)) {
      const name = nameOf(device)
      if (name === 'disk') moveDisk(device, target)
      if (name === 'serial' || name === 'console') moveConsole(device, target)
      if (name === 'graphics') moveScreen(device, target)
    }
  return renderXml(domain)
}

/** libvirt's element of the guest's processor, as text; null when the domain has none. */
export function cpuXmlOf(xml: string): string | null {
  const cpu = find(parse(xml), 'cpu')
  if (!cpu) return null
  // Without a model there is nothing to compare: each host gives what it gives by default.
  return find(cpu, 'model') ? renderXml(cpu) : null
}

function moveDisk(disk: XmlElement, target: MigrationTarget): void {
  const name = attributesOf(find(disk, 'target'))['@_dev']
  const there = target.disks.find((one) => one.target === name)
  if (!there) throw new LodgeError('internal', `The destination knows no disk ${name} of the server.`)
  setSource(disk, there.file)
  const backing = find(disk, 'backingStore')
  if (backing && there.backingFile !== null) setSource(backing, there.backingFile)
}

function setSource(of: XmlElement, file: string): void {
  const source = find(of, 'source')
  if (source) attributesOf(source)['@_file'] = file
}

function moveConsole(device: XmlElement, { consoleLogPath }: MigrationTarget): void {
  const log = find(device, 'log')
  if (!log) return
  attributesOf(log)['@_file'] = consoleLogPath
  // On shared storage it is the same file, which the guest goes on with.
  attributesOf(log)['@_append'] = 'on'
}

function moveScreen(device: XmlElement, { vncListen }: MigrationTarget): void {
  const own = attributesOf(device)
  if (own['@_listen'] !== undefined) own['@_listen'] = vncListen
  for (const listen of childrenOf(device))
    if (nameOf(listen) === 'listen' && attributesOf(listen)['@_type'] === 'address')
      attributesOf(listen)['@_address'] = vncListen
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@_',
  parseAttributeValue: false,
  parseTagValue: false,
  trimValues: true,
  htmlEntities: true,
})

function parse(xml: string): XmlElement {
  const roots = parser.parse(xml) as XmlElement[]
  const root = roots.find((one) => nameOf(one) === 'domain')
  if (!root) throw new LodgeError('internal', 'libvirt gave no XML of a domain.')
  return root
}

const nameOf = (element: XmlElement): string => Object.keys(element).find((key) => key !== ':@') ?? ''

const childrenOf = (element: XmlElement): XmlElement[] => {
  const children = element[nameOf(element)]
  return Array.isArray(children) ? (children as XmlElement[]) : []
}

const find = (element: XmlElement, name: string): XmlElement | undefined =>
  childrenOf(element).find((child) => nameOf(child) === name)

/** The attributes themselves, to be read and changed. */
function attributesOf(element: XmlElement | undefined): Record<string, string> {
  if (!element) return {}
  element[':@'] ??= {}
  return element[':@'] as Record<string, string>
}
