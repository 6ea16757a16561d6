import { LodgeError } from '../base/errors.ts'
import type { Query, QueryName, QueryTable } from '../contract/command.ts'
import { powerState } from '../model/server-state.ts'
import { checkServerId } from './check-command.ts'
import { guestDiagnostics } from './guest-diagnostics.ts'
import { measureMigration } from './measure-migration.ts'
import type { VerbContext } from './server/verb.ts'

/**
 * Answers a question. Nothing is changed or journaled.
 * @throws LodgeError badRequest, notImplemented, or what the hypervisor threw
 */
export async function answerQuery<Q extends Exclude<QueryName, 'admit'>>(
  context: VerbContext,
  query: Query<Q>,
): Promise<QueryTable[Q]['result']> {
  const answer = Object.hasOwn(answers, query.name) ? answers[query.name] : undefined
  if (query.version !== 1 || !answer)
    throw new LodgeError('notImplemented', `The agent of host ${context.host} does not know ${query.name}`)
  if (query.name !== 'cacheImage') checkServerId((query.params as { serverId: string }).serverId)
  return answer(context, query.params)
}

const answers: {
  [Q in Exclude<QueryName, 'admit'>]: (
    context: VerbContext,
    params: QueryTable[Q]['params'],
  ) => Promise<QueryTable[Q]['result']>
} = {
  consoleOutput: async ({ disks }, { serverId, length }) => ({
    output: await disks.readConsole(serverId, length),
  }),
  powerState: async ({ hypervisor }, { serverId }) => ({
    powerState: (await hypervisor.findDomain(serverId))?.powerState ?? powerState.NOSTATE,
  }),
  guestDiagnostics: (context, { serverId }) => guestDiagnostics(context, serverId),
  migrationMeasurement: (context, { serverId }) => measureMigration(context, serverId),
  cacheImage: async ({ preheating }, { image }) => ({ state: await preheating.cache(image) }),
  // They are another host's as long as the guest is there.
  seesDisks: async ({ disks }, { serverId }) => ({
    seesDisks: (await disks.lost([serverId])).length > 0 || (await disks.describe(serverId)) !== undefined,
  }),
}
