import type { VerbRun } from './verb.ts'

/** At the source: removes the disks that were put aside. A server that stayed on this host keeps its present ones. */
export const resizeForget: VerbRun<'resizeForget'> = async ({ disks, hypervisor }, { serverId }) => {
  await disks.forgetAside(serverId)
  const isHere = (await disks.describe(serverId)) ?? (await hypervisor.findDomain(serverId))
  return { result: {}, ...(isHere ? {} : { change: 'remove' as const }) }
}
