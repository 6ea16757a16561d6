import { LodgeError } from '../../base/errors.ts'
import { newRequestId } from '../../base/ids.ts'
import { actionDeadline } from '../../model/action.ts'
import type { Server } from '../../model/server.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import { beginAction, liveActionsOf } from '../../store/actions.ts'
import { compareAndSetTask, getServer } from '../../store/servers.ts'
import type { ConductorContext } from '../context.ts'
import { remedyFor } from './power-rule.ts'

/** A guest's power state as an agent saw it. */
export interface SeenPower {
  host: string
  serverId: string
  powerState: PowerState
  cause: string
  /** The host has the server's disk and no domain: the guest is off until it is started again. */
  withoutDomain?: boolean
}

/**
 * Brings a server in line with what its guest does by itself. Only for servers that are on that host and that no
 * action is working on. A report may be older than the last action, so before a server's state changes the agent is
 * asked what is so now.
 */
export async function syncPower(context: ConductorContext, seen: SeenPower): Promise<void> {
  const server = await idleServer(context, seen)
  if (!server) return
  const remedy = remedyFor(server.vmState, seen.powerState)
  if (remedy === 'note') return note(context, server, seen.powerState)
  const answer = await powerNow(context, seen)
  if (answer === undefined) return
  const current = seen.withoutDomain && answer === powerState.NOSTATE ? powerState.SHUTDOWN : answer
  const now = context.clock.now()
  const due = remedyFor(server.vmState, current)
  const unchanged = { expectVm: [server.vmState], expectTask: [null] }
  if (due === 'note') return note(context, server, current)
  const isDone = await context.writer.write(async (trx) => {
    if ((await liveActionsOf(trx, [server.id])).length > 0) return false
    if (due === 'stopped')
      return compareAndSetTask(trx, server.id, unchanged, { vmState: 'stopped', powerState: current }, now)
    const action = await beginAction(trx, {
      serverId: server.id,
      name: 'stop',
      requestId: newRequestId(),
      projectId: server.projectId,
      userId: server.userId,
      params: {},
      now,
      deadline: actionDeadline('stop', now, context.config.conductor),
      change: {
        allowed: { vm: [server.vmState], task: 'none' },
        patch: { taskState: 'powering-off', powerState: current },
      },
    })
    return action !== null
  })
  if (!isDone) return
  context.log.info(
    { server: server.id, host: seen.host, was: server.vmState, powerState: current, cause: seen.cause },
    due === 'stopped' ? 'a guest went off by itself' : 'a guest is stopped to match its server',
  )
  if (due === 'stop') context.wake()
}

async function idleServer(context: ConductorContext, seen: SeenPower): Promise<Server | null> {
  const { db } = context.store
  const server = await getServer(db, seen.serverId)
  if (!server || server.host !== seen.host || server.taskState !== null) return null
  return (await liveActionsOf(db, [server.id])).length > 0 ? null : server
}

async function note(context: ConductorContext, server: Server, powerState: PowerState): Promise<void> {
  if (server.powerState === powerState) return
  await context.writer.write((trx) =>
    compareAndSetTask(
      trx,
      server.id,
      { expectVm: [server.vmState], expectTask: [null] },
      { powerState },
      context.clock.now(),
    ),
  )
}

/** What the agent says now; undefined when it does not answer. */
export async function powerNow(
  context: ConductorContext,
  { host, serverId }: Pick<SeenPower, 'host' | 'serverId'>,
): Promise<PowerState | undefined> {
  try {
    const answer = await context.bus.ask({ version: 1, host, name: 'powerState', params: { serverId } })
    return answer.powerState
  } catch (error) {
    if (error instanceof LodgeError && error.retryable) return undefined
    throw error
  }
}
