import { LodgeError, messageOf } from '../../base/errors.ts'
import { migrationAborted, type Command } from '../../contract/command.ts'
import { agentStops } from '../agent-stops.ts'
import { moveDomain } from '../domain-xml/move-domain.ts'
import { isActive } from '../domain-watch.ts'
import type { MigrationNotes } from '../migrations.ts'
import { isKind, refuse } from './domain-power.ts'
import { hypervisorUri } from './migration-address.ts'
import { followMigration } from './migration-monitor.ts'
import { migrationJob, migrationOver } from './migration-parts.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/**
 * Moves the guest to another host, when it is its turn. Where the domain is decides what has happened: not defined here
 * any more, it has moved; alive here, it has not. So a run that was cut off joins the move that still goes on, or begins
 * a new one. A guest that came back in the last moment is halted: see `haltIfCameBack`.
 */
export const migrateLive: VerbRun<'migrateLive'> = (context, command, signal) =>
  context.migrations.inTurn(command.params.migrationId, signal, async (notes) => {
    try {
      await moveAway(context, command, signal, notes)
    } catch (error) {
      if (!signal.aborted) await haltIfCameBack(context, command.serverId)
      if (signal.aborted) throw signal.reason
      if (notes.aborted) throw aborted(error)
      throw error
    }
    // From here on a boot of this host must not start it.
    return { result: {}, change: 'remove' }
  })

async function moveAway(
  context: VerbContext,
  command: Command<'migrateLive'>,
  signal: AbortSignal,
  notes: Readonly<MigrationNotes>,
): Promise<void> {
  const { serverId } = command
  if (await migrationJob(context, serverId)) await follow(context, command, signal, untilOver)
  const domain = await context.hypervisor.findDomain(serverId)
  if (!domain) return
  if (!isActive(domain.powerState)) refuse('move', domain)
  if (notes.aborted) throw aborted()
  if (await context.hypervisor.cameBack(serverId))
    throw new LodgeError('conflict', `The guest came back to host ${context.host} while it was going over`)
  await follow(context, command, signal, start)
}

/**
 * Once the guest was halted here for going over, it may run at the destination whatever libvirt says: when the two
 * libvirtds lose each other before the one has heard that it runs there, this one lets it run on here as well. So it is
 * halted at once, and runs on when the controller knows from the destination that it is not there.
 */
async function haltIfCameBack({ hypervisor, host, log }: VerbContext, serverId: string): Promise<void> {
  try {
    if (!(await hypervisor.cameBack(serverId))) return
    await hypervisor.suspend(serverId)
    log.warn({ server: serverId, host }, 'a guest that may have gone over is halted until that is known')
  } catch (error) {
    if (isKind(error, 'notFound')) return
    log.error({ server: serverId, reason: messageOf(error) }, 'a guest that may have gone over is not halted')
  }
}

type Moving = (context: VerbContext, command: Command<'migrateLive'>, signal: AbortSignal) => Promise<void>

/** A move that an earlier run began. Whether it came about shows in whether the domain is still here. */
const untilOver: Moving = async (context, { serverId }, signal) => {
  await migrationOver(context, serverId, Infinity, signal)
}

const start: Moving = async (context, { serverId, params }) => {
  const { hypervisor, settings } = context
  const { target, sharedStorage } = params
  const { tls, autoConverge, postCopy, bandwidthMiBps } = settings.migration
  const [xml, persistentXml] = await Promise.all([
    hypervisor.migratableXml(serverId, 'guest'),
    hypervisor.migratableXml(serverId, 'definition'),
  ])
  try {
    await hypervisor.migrate(serverId, {
      destinationUri: hypervisorUri(context, target.address),
      dataAddress: hypervisor.kind === 'simulated' ? null : target.address,
      xml: moveDomain(xml, target),
      persistentXml: moveDomain(persistentXml, target),
      copyDisks: sharedStorage ? [] : target.disks.map((disk) => disk.target),
      tls,
      autoConverge: autoConverge && !postCopy,
      postCopy,
      bandwidthMiBps,
    })
  } catch (error) {
    // A broken connection does not say what became of the move that it was to tell of.
    if (isKind(error, 'unavailable') || (await hypervisor.findDomain(serverId))) throw error
    context.log.warn({ server: serverId, reason: messageOf(error) }, 'the guest moved all the same')
  }
}

/** The move, with its progress reported, its downtime raised and its time bounded. */
async function follow(
  context: VerbContext,
  command: Command<'migrateLive'>,
  signal: AbortSignal,
  move: Moving,
): Promise<void> {
  const over = new AbortController()
  const { serverId } = command
  const abort = (): void => {
    // A move that is under way when the agent stops is joined by its next start.
    if (signal.reason === agentStops) return
    context.hypervisor.abortJob(serverId).catch((error: unknown) => {
      if (!isKind(error, 'conflict') && !isKind(error, 'notFound'))
        context.log.warn({ server: serverId, reason: messageOf(error) }, 'a migration could not be aborted')
    })
  }
  signal.addEventListener('abort', abort, { signal: over.signal })
  const monitor = followMigration(context, command, over.signal)
  try {
    await move(context, command, signal)
  } finally {
    over.abort()
    await monitor
  }
}

const aborted = (cause?: unknown): LodgeError => new LodgeError('conflict', migrationAborted, { cause })
