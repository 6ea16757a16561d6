import type { Config } from '../../base/config.ts'
import type { HypervisorCapabilities } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from '../disk/disks.ts'
import { clockElement } from './clock.ts'
import { serialConsole } from './console.ts'
import { cpuElement } from './cpu.ts'
import { diskElements } from './disks.ts'
import { graphicsElements } from './graphics.ts'
import { guestAgentChannel } from './guest-agent.ts'
import { chooseMachineType } from './machine-type.ts'
import { metadataElement } from './metadata.ts'
import { osElement } from './os.ts'
import { balloonElement, rngElement } from './small-devices.ts'
import { sysinfoElement } from './sysinfo.ts'
import { element, renderXml } from './xml-element.ts'

/** Of the agent's settings those that shape a domain. */
export type DomainSettings = Pick<Config['agent'], 'cpuMode' | 'cpuModel' | 'machineType' | 'vnc'>

export interface DomainInput {
  spec: ServerSpec
  disks: ServerDisks
  capabilities: HypervisorCapabilities
  settings: DomainSettings
  consoleLogPath: string
}

export interface DomainXml {
  xml: string
  /** The machine type that was chosen; to be kept in the server's record. */
  machineType: string
}

/**
 * The libvirt domain of a server. Pure: the same input gives the same text. What users wrote (names, extra specs)
 * may be any strings.
 * @throws LodgeError badRequest when an image property asks for what this host cannot give; internal when a
 * setting of the host does
 */
export function domainXml(input: DomainInput): DomainXml {
  const { spec, disks, capabilities, settings } = input
  const machineType = chooseMachineType(spec, capabilities, settings)
  const memoryKiB = spec.flavor.memoryMiB * 1024
  const root = element('domain', { type: capabilities.virtType }, [
    element('name', {}, spec.domainName),
    element('uuid', {}, spec.id),
    titleElement(spec.name),
    metadataElement(spec),
    element('memory', { unit: 'KiB' }, memoryKiB),
    element('currentMemory', { unit: 'KiB' }, memoryKiB),
    element('vcpu', { placement: 'static' }, spec.flavor.vcpus),
    sysinfoElement(spec),
    osElement(spec, capabilities.arch, machineType),
    element('features', {}, [
      element('acpi'),
      element('apic'),
      // Where the guest's kernel notes how to read its memory, for crash dumps.
      element('vmcoreinfo', { state: 'on' }),
    ]),
    cpuElement(spec.flavor.vcpus, capabilities, settings),
    clockElement(spec, capabilities.virtType),
    element('on_poweroff', {}, 'destroy'),
    element('on_reboot', {}, 'restart'),
    element('on_crash', {}, 'destroy'),
    element('devices', {}, [
      element('emulator', {}, capabilities.emulator),
      ...diskElements(disks, machineType),
      serialConsole(input.consoleLogPath),
      guestAgentChannel(spec),
      ...graphicsElements(spec, settings),
      balloonElement(),
      rngElement(spec),
    ]),
  ])
  return { xml: `${renderXml(root).trim()}\n`, machineType }
}

/** For people at `virsh list --title`. libvirt allows no line breaks in it. */
function titleElement(name: string) {
  const title = name.replace(/\s+/g, ' ').trim()
  return title === '' ? undefined : element('title', {}, title)
}
