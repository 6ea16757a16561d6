import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { DomainSettings } from './domain-xml.ts'
import { element, type XmlElement } from './xml-element.ts'

const videoModels = ['virtio', 'vga', 'cirrus', 'qxl', 'bochs', 'none']

/**
 * Screen, pointer and what they hang on; without VNC none of them. libvirt chooses the port, so that none is
 * given out twice. The tablet gives the pointer's place as the viewer sees it; its controller is xHCI because
 * the older ones keep a processor of the host busy with polling.
 * @throws LodgeError badRequest for a video model (hw_video_model) that is not known
 */
export function graphicsElements(spec: ServerSpec, { vnc }: DomainSettings): XmlElement[] {
  if (!vnc.enabled) return [element('controller', { type: 'usb', model: 'none' })]
  return [
    element('controller', { type: 'usb', index: 0, model: 'qemu-xhci' }),
    element('input', { type: 'tablet', bus: 'usb' }),
    element('graphics', { type: 'vnc', port: -1, autoport: 'yes' }, [
      element('listen', { type: 'address', address: vnc.listen }),
    ]),
    element('video', {}, [element('model', { type: videoModel(spec) })]),
  ]
}

function videoModel(spec: ServerSpec): string {
  const model = spec.image.properties.hw_video_model ?? 'virtio'
  if (videoModels.includes(model)) return model
  throw new LodgeError(
    'badRequest',
    `The image property hw_video_model may be ${videoModels.join(', ')}; it is ${JSON.stringify(model.slice(0, 40))}.`,
  )
}
