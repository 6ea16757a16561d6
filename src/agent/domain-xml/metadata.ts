import { lodgeMetadataNamespace } from '../../hypervisor/lodge-metadata.ts'
import type { ServerFlavor, ServerSpec } from '../../model/server-spec.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * Our element in the domain's metadata: it marks the domain as ours, and tells an operator at `virsh dumpxml` whose
 * server it is and what it was made from.
 */
export function metadataElement(spec: ServerSpec): XmlElement {
  return element('metadata', {}, [
    element('lodge:server', { 'xmlns:lodge': lodgeMetadataNamespace }, [
      element('lodge:id', {}, spec.id),
      element('lodge:name', {}, spec.name),
      element('lodge:createdAt', {}, new Date(spec.createdAt).toISOString()),
      element('lodge:project', { id: spec.projectId }, spec.projectName),
      element('lodge:user', { id: spec.userId }, spec.userName),
      flavorElement(spec.flavor),
      element('lodge:image', { id: spec.image.id, format: spec.image.diskFormat }, spec.image.name ?? ''),
    ]),
  ])
}

function flavorElement(flavor: ServerFlavor): XmlElement {
  return element('lodge:flavor', { id: flavor.id, name: flavor.name }, [
    element('lodge:vcpus', {}, flavor.vcpus),
    element('lodge:memoryMiB', {}, flavor.memoryMiB),
    element('lodge:rootGiB', {}, flavor.rootGiB),
    element('lodge:ephemeralGiB', {}, flavor.ephemeralGiB),
    element('lodge:swapMiB', {}, flavor.swapMiB),
    // In an order of their own, so that the same flavor gives the same text.
    ...Object.entries(flavor.extraSpecs)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => element('lodge:extraSpec', { name }, value)),
  ])
}
