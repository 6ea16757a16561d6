import { isIPv6 } from 'node:net'
import { LodgeError } from '../../base/errors.ts'
import type { VerbContext } from './verb.ts'

/** Under what address other hosts send guests to this one. */
export async function migrationAddress({ hypervisor, host, settings, hostIp }: VerbContext): Promise<string> {
  // Simulated hosts know each other by name.
  if (hypervisor.kind === 'simulated') return host
  return settings.migration.address ?? (await hostIp())
}

/**
 * How the hypervisor at that address is reached.
 * @throws LodgeError badRequest for what is neither an address nor a host's name
 */
export function hypervisorUri({ hypervisor, settings }: VerbContext, address: string): string {
  if (!/^[A-Za-z0-9._:-]+$/.test(address))
    throw new LodgeError('badRequest', `${JSON.stringify(address)} is not the address of a host`)
  if (hypervisor.kind === 'simulated') return address
  return settings.migration.uri.replaceAll('%s', isIPv6(address) ? `[${address}]` : address)
}
