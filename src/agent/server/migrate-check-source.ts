import { LodgeError } from '../../base/errors.ts'
import { cpuXmlOf } from '../domain-xml/move-domain.ts'
import { isActive } from '../domain-watch.ts'
import { needDomain, refuse } from './domain-power.ts'
import { migrationFile } from './migration-parts.ts'
import type { VerbRun } from './verb.ts'

/** The guest may leave: it lives, and the destination's QEMU is not older than this one. */
export const migrateCheckSource: VerbRun<'migrateCheckSource'> = async (context, command) => {
  const { serverId, params } = command
  const { hypervisor, disks } = context
  const domain = await needDomain(context, serverId)
  if (!isActive(domain.powerState)) refuse('move', domain)
  const { hypervisorVersion } = await context.capabilities()
  if (params.hypervisorVersion < hypervisorVersion)
    throw new LodgeError(
      'conflict',
      `The destination's QEMU (${params.hypervisorVersion}) is older than that of host ${context.host} (${hypervisorVersion})`,
    )
  // The same path with the same new file under it: both hosts see one directory.
  const sharedStorage = await disks.seesProbe(migrationFile(params.migrationId), params.probeFile)
  const cpuXml = cpuXmlOf(await hypervisor.migratableXml(serverId, 'guest'))
  return { result: { sharedStorage, cpuXml } }
}
