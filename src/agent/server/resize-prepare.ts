import type { VerbRun } from './verb.ts'

/** At the destination: makes ready to take the disks of a server that comes, and says how to send them. */
export const resizePrepare: VerbRun<'resizePrepare'> = async (context, { serverId, params }, signal) => {
  const { flat, shared } = await context.disks.expect(params.spec, params.migrationId, signal)
  signal.throwIfAborted()
  return { result: { offer: { ...(await context.offers.make(serverId, flat)), shared } } }
}
