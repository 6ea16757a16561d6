import { execFile } from 'node:child_process'
import { messageOf } from '../base/errors.ts'
import { newRequestId } from '../base/ids.ts'
import { actionDeadline } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { beginAction, liveActionsOf } from '../store/actions.ts'
import { countServersByHost } from '../store/hosts.ts'
import { listServices, updateService, type Service } from '../store/services.ts'
import { getServersOfHost } from '../store/servers.ts'
import type { ConductorContext } from './context.ts'

const lookEveryMs = 5000
/** A fence command that failed is run again after this long. */
const tryAgainMs = 60_000
/** What a fence command may take. */
const fenceMs = 120_000

/**
 * Brings the servers of dead hosts to life elsewhere, where the settings ask for it; returns what is to be called every
 * tick. Nothing is evacuated before the fence command said that the host is off. The host is then forced down, until an
 * operator says otherwise, so that nothing is placed on it while it comes back.
 */
export function createAutoEvacuation(context: ConductorContext): (now: number) => Promise<void> {
  const { autoEvacuate, fenceCommand, evacuateAfterSeconds } = context.config.fleet
  const { db } = context.store
  const triedAt = new Map<string, number>()
  /** Since our start: who does not know fences again. */
  const fenced = new Set<string>()
  let dueAt = -Infinity
  let working: Promise<void> | null = null

  async function lookAt(service: Service, now: number): Promise<void> {
    const { host } = service
    if (!fenced.has(host)) {
      if (now - (triedAt.get(host) ?? -Infinity) < tryAgainMs) return
      triedAt.set(host, now)
      if (!(await fence(context, host, fenceCommand))) return
      await context.writer.write((trx) => updateService(trx, service.id, { forcedDown: true }, now))
      fenced.add(host)
    }
    for (const server of await getServersOfHost(db, host)) await evacuate(context, server)
  }

  async function look(now: number): Promise<void> {
    const servers = await countServersByHost(db)
    for (const service of await listServices(db, { binary: 'nova-compute' })) {
      const silentMs = now - service.lastSeenAt
      if (silentMs < lookEveryMs) fenced.delete(service.host)
      if (!servers.has(service.host) || silentMs < evacuateAfterSeconds * 1000) continue
      if (context.hosts.isDown(service.host)) await lookAt(service, now)
    }
  }

  return async (now) => {
    if (!autoEvacuate || fenceCommand.length === 0 || working) return
    if (now < dueAt && dueAt - now <= lookEveryMs) return
    dueAt = now + lookEveryMs
    // A fence command takes its time, and the tick has other things to look after.
    working = look(now)
      .catch((error: unknown) => {
        context.log.error({ err: error }, 'looking for dead hosts failed')
      })
      .finally(() => {
        working = null
      })
  }
}

/** @returns whether the command says that the host is off */
async function fence({ log }: ConductorContext, host: string, command: readonly string[]): Promise<boolean> {
  const [program = '', ...args] = command.map((word) => word.replaceAll('{host}', host))
  log.warn({ host, program }, 'a host is dead and gets fenced')
  return new Promise((resolve) => {
    execFile(program, args, { timeout: fenceMs, killSignal: 'SIGKILL' }, (error) => {
      if (error)
        log.error({ host, reason: messageOf(error) }, 'the fence command failed; nothing is evacuated')
      resolve(error === null)
    })
  })
}

async function evacuate(context: ConductorContext, server: Server): Promise<void> {
  const now = context.clock.now()
  const begun = await context.writer.write(async (trx) => {
    const live = await liveActionsOf(trx, [server.id])
    if (server.launchedAt === null || live.length > 0) return null
    return beginAction(trx, {
      serverId: server.id,
      name: 'evacuate',
      requestId: newRequestId(),
      projectId: server.projectId,
      userId: server.userId,
      params: { stop: server.vmState === 'stopped' },
      now,
      deadline: actionDeadline('evacuate', now, context.config.conductor),
      change: {
        // One that failed waits for an operator.
        allowed: { vm: ['active', 'stopped'], task: 'none' },
        patch: { taskState: 'rebuilding' },
      },
    })
  })
  if (begun) context.wake()
}
