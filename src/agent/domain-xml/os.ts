import { LodgeError } from '../../base/errors.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * Machine and firmware: BIOS unless the image says hw_firmware_type=uefi. Which UEFI build that is libvirt finds
 * out from what is installed; it is told to leave Secure Boot out, which it would otherwise choose.
 * @throws LodgeError badRequest for a firmware that is not known, or Secure Boot where it is required
 */
export function osElement(spec: ServerSpec, arch: string, machineType: string): XmlElement {
  const { hw_firmware_type: firmware = 'bios', os_secure_boot: secureBoot } = spec.image.properties
  if (firmware !== 'bios' && firmware !== 'uefi')
    throw new LodgeError(
      'badRequest',
      `The image property hw_firmware_type may be bios or uefi; it is ${JSON.stringify(firmware.slice(0, 40))}.`,
    )
  if (secureBoot === 'required' || spec.flavor.extraSpecs['os:secure_boot'] === 'required')
    throw new LodgeError(
      'badRequest',
      'Secure Boot is required by the image or the flavor; it is not served yet.',
    )
  const uefi = firmware === 'uefi'
  return element('os', uefi ? { firmware: 'efi' } : {}, [
    element('type', { arch, machine: machineType }, 'hvm'),
    uefi &&
      element('firmware', {}, [
        element('feature', { enabled: 'no', name: 'enrolled-keys' }),
        element('feature', { enabled: 'no', name: 'secure-boot' }),
      ]),
    element('smbios', { mode: 'sysinfo' }),
  ])
}
