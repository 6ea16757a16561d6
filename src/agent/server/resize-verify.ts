import { LodgeError } from '../../base/errors.ts'
import type { VerbRun } from './verb.ts'

/**
 * At the destination: whether the server's disks are here. It takes its turn behind all that was asked for before, and so
 * sees what a late `resizeDiscard` has done, whose sender had given it up.
 */
export const resizeVerify: VerbRun<'resizeVerify'> = async ({ disks, host }, { serverId }) => {
  if (await disks.describe(serverId)) return { result: {} }
  throw new LodgeError('notFound', `Host ${host} does not have the disks of the server any more.`)
}
