import { LodgeError } from '../base/errors.ts'
import type { Command, Fault, Outcome } from '../contract/command.ts'
import type { ConductorContext } from './context.ts'
import { faultOf, faultOfThrown, hostDownFault } from './faults.ts'
import type { Interrupt, InterruptReason } from './interrupt.ts'
import type { CommandPlan } from './step.ts'

export interface SendRequest {
  /** The command's id without its count of tries: the same for the same work, also after a crash. */
  id: string
  serverId: string
  requestId: string
  plan: CommandPlan
  interrupt: Interrupt
  /** How often a fault that may pass on the same host is tried. */
  sameHostTries: number
  /** A host that is silent is waited for; only one that is said to be down is not. */
  waitsForHost?: boolean
  /** Reasons for which its outcome is not waited for once it is sent. */
  cutShortBy: readonly InterruptReason[]
}

export type SendResult =
  | { kind: 'ok'; result: unknown }
  | { kind: 'fault'; fault: Fault }
  | { kind: 'hostDown'; fault: Fault }
  | { kind: 'interrupted'; reason: InterruptReason }

const firstDelayMs = 200
const longestDelayMs = 10_000

/**
 * Sends a command until there is an outcome. An agent that cannot be reached is tried again under the same id, with
 * growing delays, until its host counts as down; a fault that may pass on the same host is tried again under the
 * next id. The ids are counted from the outcomes alone, so a conductor that takes over counts the same way.
 */
export async function sendCommand(context: ConductorContext, request: SendRequest): Promise<SendResult> {
  const { interrupt, plan } = request
  let delay = firstDelayMs
  let tries = 1
  for (;;) {
    const outcome = await attempt(context, request, tries)
    if (outcome === undefined) return { kind: 'interrupted', reason: interrupt.reason ?? 'shutdown' }
    if (outcome !== 'unreachable') {
      if (outcome.ok) return { kind: 'ok', result: outcome.result }
      if (outcome.fault.retry !== 'same-host' || tries >= request.sameHostTries)
        return { kind: 'fault', fault: outcome.fault }
      context.log.info(
        { server: request.serverId, host: plan.host, fault: outcome.fault.message, tries },
        `${plan.verb} failed and is tried again`,
      )
      tries += 1
    } else {
      await context.hosts.refresh(context.store.db, 1000)
      const { hosts } = context
      if (request.waitsForHost ? hosts.isForcedDown(plan.host) : hosts.isDown(plan.host))
        return { kind: 'hostDown', fault: hostDownFault(plan.host) }
    }
    await interrupt.sleep(context.clock, delay)
    if (interrupt.reason) return { kind: 'interrupted', reason: interrupt.reason }
    delay = Math.min(delay * 2, longestDelayMs)
  }
}

/** Undefined when the run was told to stop waiting. */
async function attempt(
  context: ConductorContext,
  { id, serverId, requestId, plan, interrupt, cutShortBy }: SendRequest,
  tries: number,
): Promise<Outcome | 'unreachable' | undefined> {
  const command: Command = {
    version: 1,
    id: tries === 1 ? id : `${id}-try${tries}`,
    host: plan.host,
    serverId,
    verb: plan.verb,
    params: plan.params,
    requestId,
  }
  if (interrupt.reason && cutShortBy.includes(interrupt.reason)) return undefined
  try {
    return await interrupt.orUntil(context.bus.send(command), cutShortBy)
  } catch (error) {
    if (error instanceof LodgeError && error.kind === 'unavailable') return 'unreachable'
    context.log.error({ err: error, command: command.id }, 'the bus failed')
    return { ok: false, fault: faultOfThrown(error) }
  }
}

/** The fault of a result that is not a success. */
export function faultOfResult(result: Exclude<SendResult, { kind: 'ok' }>): Fault {
  return result.kind === 'interrupted' ? faultOf('The action was interrupted.') : result.fault
}
