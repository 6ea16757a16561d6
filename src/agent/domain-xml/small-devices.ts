import type { ServerSpec } from '../../model/server-spec.ts'
import { isNo } from './image-property.ts'
import { element, type XmlElement } from './xml-element.ts'

/** The guest's driver reports its memory every so many seconds, Nova's default. */
const statsPeriodSeconds = 10

export const balloonElement = (): XmlElement =>
  element('memballoon', { model: 'virtio' }, [element('stats', { period: statsPeriodSeconds })])

/** Random numbers from the host, unless the flavor forbids it (hw_rng:allowed). */
export function rngElement(spec: ServerSpec): XmlElement | undefined {
  if (isNo(spec.flavor.extraSpecs['hw_rng:allowed'])) return undefined
  return element('rng', { model: 'virtio' }, [element('backend', { model: 'random' }, '/dev/urandom')])
}
