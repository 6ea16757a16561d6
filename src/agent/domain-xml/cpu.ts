import { LodgeError } from '../../base/errors.ts'
import type { HypervisorCapabilities } from '../../hypervisor/hypervisor.ts'
import type { DomainSettings } from './domain-xml.ts'
import { element, type XmlElement } from './xml-element.ts'

/**
 * The guest's processor. Left to us (`auto`) it is host-model as in Nova, with and without KVM: all that the host
 * can give, written out, so that it can be compared before a migration. Under TCG, where host-passthrough is
 * refused, it is what TCG can emulate of the host's model. Each vCPU is a socket, Nova's default.
 * @throws LodgeError internal when the setting asks for what guests of this host cannot have
 */
export function cpuElement(
  vcpus: number,
  capabilities: HypervisorCapabilities,
  settings: DomainSettings,
): XmlElement {
  const topology = element('topology', { sockets: vcpus, cores: 1, threads: 1 })
  const mode = settings.cpuMode === 'auto' ? bestMode(capabilities) : settings.cpuMode
  if (mode === 'none') return element('cpu', {}, [topology])
  if (!capabilities.cpuModes.includes(mode))
    throw new LodgeError(
      'internal',
      `agent.cpuMode is ${mode}, which guests of type ${capabilities.virtType} cannot have here; possible are ` +
        ['auto', 'none', ...capabilities.cpuModes].join(', '),
    )
  if (mode !== 'custom')
    return element('cpu', { mode, check: mode === 'host-model' ? 'partial' : undefined }, [topology])
  if (settings.cpuModel === null)
    throw new LodgeError('internal', 'agent.cpuMode is custom, and agent.cpuModel does not say which model')
  return element('cpu', { mode, match: 'exact', check: 'partial' }, [
    element('model', { fallback: 'forbid' }, settings.cpuModel),
    topology,
  ])
}

function bestMode({ cpuModes }: HypervisorCapabilities): 'host-model' | 'maximum' | 'none' {
  if (cpuModes.includes('host-model')) return 'host-model'
  return cpuModes.includes('maximum') ? 'maximum' : 'none'
}
