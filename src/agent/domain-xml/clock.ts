import type { ServerSpec } from '../../model/server-spec.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * The guest's clock: UTC, or local time for Windows, which expects that of its machine. The timers are those that
 * keep time under KVM when the host is busy; TCG has no use for them.
 */
export function clockElement(spec: ServerSpec, virtType: 'kvm' | 'qemu'): XmlElement {
  const windows = spec.image.properties.os_type?.toLowerCase() === 'windows'
  const timers =
    virtType === 'kvm'
      ? [
          element('timer', { name: 'pit', tickpolicy: 'delay' }),
          element('timer', { name: 'rtc', tickpolicy: 'catchup' }),
          element('timer', { name: 'hpet', present: 'no' }),
          windows && element('timer', { name: 'hypervclock', present: 'yes' }),
        ]
      : []
  return element('clock', { offset: windows ? 'localtime' : 'utc' }, timers)
}
