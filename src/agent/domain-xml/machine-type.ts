import { LodgeError } from '../../base/errors.ts'
import type { HypervisorCapabilities } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { DomainSettings } from './domain-xml.ts'

/**
 * Nova's default on x86. The images that people bring from there were made on it; devices can be plugged in
 * later without ports set aside beforehand; and it starts no slower than q35.
 */
const defaultMachineType = 'pc'

/**
 * The machine type of a server: what was fixed at its first boot, else what its image asks for, else the host's
 * setting, else the default.
 * @throws LodgeError badRequest when the image asks for one that this host does not have
 */
export function chooseMachineType(
  spec: ServerSpec,
  capabilities: HypervisorCapabilities,
  settings: DomainSettings,
): string {
  if (!['x86_64', 'i686'].includes(capabilities.arch))
    throw new LodgeError(
      'notImplemented',
      `Hosts of the architecture ${capabilities.arch} are not served yet.`,
    )
  const has = (type: string): boolean => capabilities.machineTypes.includes(type)
  const wanted = spec.machineType ?? spec.image.properties.hw_machine_type
  if (wanted !== undefined) {
    if (has(wanted)) return wanted
    throw new LodgeError(
      'badRequest',
      `This host has no machine type ${JSON.stringify(wanted.slice(0, 80))}, which the server's image asks for ` +
        '(hw_machine_type).',
      { details: { machineTypes: capabilities.machineTypes } },
    )
  }
  const byHost = settings.machineType ?? defaultMachineType
  if (has(byHost)) return byHost
  throw new LodgeError('internal', `This host's QEMU has no machine type ${byHost}; set agent.machineType`, {
    details: { machineTypes: capabilities.machineTypes },
  })
}

/** Whether the machine has PCI Express (q35) or plain PCI with an IDE controller (pc). */
export const isQ35 = (machineType: string): boolean => /(^|-)q35/.test(machineType)
