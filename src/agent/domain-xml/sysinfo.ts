import type { ServerSpec } from '../../model/server-spec.ts'
import { element, type XmlElement } from './xml-element.ts'

/** What the guest's firmware says of the machine: who made it, and the server's id as serial number and UUID. */
export function sysinfoElement(spec: ServerSpec): XmlElement {
  const entries = {
    manufacturer: 'Lodge',
    product: 'Lodge',
    serial: spec.id,
    uuid: spec.id,
    family: 'Virtual Machine',
  }
  return element('sysinfo', { type: 'smbios' }, [
    element(
      'system',
      {},
      Object.entries(entries).map(([name, value]) => element('entry', { name }, value)),
    ),
  ])
}
