import type { ServerSpec } from '../../model/server-spec.ts'
import { isNo } from './image-property.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * The channel to a guest agent, for quiesced snapshots, passwords and the clock after a resume. It is there
 * unless the image says hw_qemu_guest_agent=no: Nova wants a yes, and so most of its servers cannot use an agent
 * that their image has; without an agent the channel does nothing. libvirt chooses the socket's path.
 */
export function guestAgentChannel(spec: ServerSpec): XmlElement | undefined {
  if (isNo(spec.image.properties.hw_qemu_guest_agent)) return undefined
  return element('channel', { type: 'unix' }, [
    element('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' }),
  ])
}
