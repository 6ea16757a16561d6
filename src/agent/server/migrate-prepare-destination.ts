import { LodgeError, messageOf } from '../../base/errors.ts'
import type { ServerDisks } from '../disk/disks.ts'
import { migrationAddress } from './migration-address.ts'
import { removeProbe } from './migration-parts.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Makes room for a guest that comes: its base image from the cache, empty disks of the same shape on it, whose contents
 * the source sends. The ledger does not hear of it yet, so that a boot of this host does not start the guest a second
 * time.
 */
export const migratePrepareDestination: VerbRun<'migratePrepareDestination'> = async (
  context,
  { serverId, params },
  signal,
) => {
  const { hypervisor, host, settings } = context
  await removeProbe(context, params.migrationId)
  await checkCpu(context, params.cpuXml)
  let disks: ServerDisks
  try {
    disks = params.sharedStorage
      ? await context.disks.expectGuest(params.spec, signal)
      : await context.disks.prepare(params.spec, signal)
  } catch (error) {
    if (!params.sharedStorage && !(await hypervisor.findDomain(serverId)))
      await context.disks.remove(serverId).catch((left: unknown) => {
        context.log.error({ server: serverId, host, reason: messageOf(left) }, 'disks left behind')
      })
    throw error
  }
  return {
    result: {
      address: await migrationAddress(context),
      disks: disks.disks.map(({ target, file, backing }) => ({
        target,
        file,
        backingFile: backing?.file ?? null,
      })),
      consoleLogPath: context.disks.consoleLogPath(serverId),
      vncListen: settings.vnc.listen,
    },
  }
}

async function checkCpu({ hypervisor, host }: VerbContext, cpuXml: string | null): Promise<void> {
  if (cpuXml === null || (await hypervisor.canRunCpu(cpuXml))) return
  throw new LodgeError('conflict', `The processors of host ${host} lack what the guest was started with`)
}
