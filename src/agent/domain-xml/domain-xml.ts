import { LodgeError } from '../../base/errors.ts'
import type { HypervisorCapabilities } from '../../hypervisor/hypervisor.ts'
import type { Config } from '../../base/config.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { ServerDisks } from '../disk/disks.ts'

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
 * The libvirt domain of a server. Pure: the same input gives the same text.
 * @throws LodgeError badRequest when an image property or flavor asks for what this host cannot give
 */
export function domainXml(input: DomainInput): DomainXml {
  throw new LodgeError('notImplemented', `The domain of ${input.spec.id} cannot be written yet`)
}
