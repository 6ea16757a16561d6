import { LodgeError } from '../../base/errors.ts'
import { migrationFile, needsGiB } from './migration-parts.ts'
import type { VerbRun } from './verb.ts'

/** The guest may come: there is no other of its kind here, and room for its disks. */
export const migrateCheckDestination: VerbRun<'migrateCheckDestination'> = async (context, command) => {
  const { serverId, params } = command
  const { hypervisor, disks, host } = context
  if (await hypervisor.findDomain(serverId))
    throw new LodgeError('conflict', `Host ${host} has a domain of this server already`)
  const { freeGiB } = await disks.capacity()
  const needed = needsGiB(params.spec)
  if (freeGiB < needed)
    throw new LodgeError(
      'conflict',
      `Host ${host} has ${freeGiB} GiB of disk left, and the server may need ${needed} GiB`,
    )
  const probeFile = await disks.leaveProbe(migrationFile(params.migrationId))
  const { hypervisorVersion } = await context.capabilities()
  return { result: { probeFile, hypervisorVersion } }
}
