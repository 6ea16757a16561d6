import type { Clock } from '../base/clock.ts'
import { LodgeError } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { Command, Outcome, Verb } from '../contract/command.ts'
import { agentStops } from './agent-stops.ts'
import { faultOf } from './fault.ts'
import type { HostJournal } from './host-journal.ts'
import type { Semaphore } from './semaphore.ts'
import { createServerQueues, type ServerQueues } from './server-queues.ts'
import type { Done } from './server/verb.ts'

/**
 * Where commands come in. One command's way:
 *
 *   arrives -> in the journal -> in its server's queue -> within the host's limits -> run -> outcome in the journal
 *
 * An id that is known answers with its outcome, or joins the run. A command that was accepted and has no outcome,
 * because the agent died, is run again at the next start; every verb is made so that this converges.
 */
export interface Intake {
  /** Resolves with the outcome. @throws LodgeError unavailable when the agent stops before there is one */
  command(command: Command): Promise<Outcome>
  /** Takes up the commands that the last run of the agent left unfinished. */
  recover(): void
  /**
   * Until `recover` leaves what the last run left, except where a new command comes for the same server: that ends what
   * is older if it destroys the server, and comes after it otherwise.
   */
  hold(): void
  /** Commands or other work for the server are queued or running. */
  busy(serverId: string): boolean
  /** Which servers are busy at any time from now until `end`. */
  track(): { touched(serverId: string): boolean; end(): void }
  /** Runs work of the agent's own in the server's queue, without a journal. */
  enqueue(serverId: string, work: (signal: AbortSignal) => Promise<void>): Promise<void>
  /** Leaves what runs where it is, for the next start to take up. */
  stop(): Promise<void>
}

export interface IntakeOptions {
  host: string
  journal: HostJournal
  perform: (command: Command, signal: AbortSignal) => Promise<Done>
  limits: Partial<Record<Verb, Semaphore>>
  /** A command that was left alone, because it hung, has come to its end after all, whatever it did to the server. */
  onAbandonedEnd: (serverId: string, signal: AbortSignal) => Promise<void>
  /** After the outcome is recorded. */
  onFinished: (command: Command, outcome: Outcome) => void
  clock: Clock
  log: Logger
}

interface Run {
  command: Command
  abort: AbortController
  outcome: Promise<Outcome>
}

export function createIntake(options: IntakeOptions): Intake {
  const { host, journal, log, clock } = options
  const runs = new Map<string, Run>()
  const queues: ServerQueues = createServerQueues()
  const ownWork = new Set<AbortController>()
  /** Work that was left alone, by server; forgotten when a newer command takes the server up again. */
  const abandoned = new Map<string, Set<Promise<Done>>>()
  let stopping = false
  let held: Command[] | undefined

  async function takeUpBefore(newer: Command): Promise<void> {
    const earlier = held?.filter(({ serverId }) => serverId === newer.serverId) ?? []
    if (earlier.length === 0) return
    held = held?.filter(({ serverId }) => serverId !== newer.serverId)
    for (const command of earlier.filter(({ id }) => id !== newer.id)) {
      if (newer.verb !== 'destroy') void begin(command, false)
      else {
        const gone = new LodgeError('conflict', reasons.destroy ?? '')
        const outcome: Outcome = { ok: false, fault: faultOf(gone, command.verb, host) }
        await journal.finish(command, outcome, undefined, clock.now())
      }
    }
  }

  function begin(command: Command, isNew: boolean): Promise<Outcome> {
    const abort = new AbortController()
    const accepted = isNew ? journal.accept(command) : Promise.resolve()
    // The queue looks at it later.
    accepted.catch(() => {})
    const outcome = queues.add(queueOf(command), async () => {
      try {
        await accepted
      } catch (error) {
        return { ok: false as const, fault: faultOf(error, command.verb, host) }
      }
      return execute(command, abort.signal)
    })
    runs.set(command.id, { command, abort, outcome })
    if (command.verb !== 'destroy') abandoned.delete(command.serverId)
    if (supersedesOthers(command))
      accepted.then(
        () => supersede(command),
        () => {},
      )
    // Nobody may be waiting: the sender is gone, or this run was taken up at the start.
    outcome.finally(() => runs.delete(command.id)).catch(() => {})
    return outcome
  }

  async function execute(command: Command, signal: AbortSignal): Promise<Outcome> {
    const started = performance.now()
    const { outcome, change } = await attempt(command, signal)
    if (stopping) throw agentStops
    try {
      await journal.finish(command, outcome, change, clock.now())
    } catch (error) {
      // The work is done. Without a record the command may come again, which is harmless.
      log.error({ err: error, command: command.id }, 'outcome not recorded')
    }
    options.onFinished(command, outcome)
    logOutcome(command, outcome, performance.now() - started)
    return outcome
  }

  async function attempt(
    command: Command,
    signal: AbortSignal,
  ): Promise<{ outcome: Outcome; change?: Done['change'] }> {
    try {
      const perform = (): Promise<Done> => {
        signal.throwIfAborted()
        return options.perform(command, signal)
      }
      const limit = options.limits[command.verb]
      const done = limit ? limit.run(signal, perform) : perform()
      const { result, change } = await orAbandoned(done, signal, command)
      return { outcome: { ok: true, result } as Outcome, change }
    } catch (error) {
      if (!signal.aborted)
        log.warn(
          { err: error, server: command.serverId, request: command.requestId },
          `${command.verb} failed`,
        )
      // What was cut short may say so in its own way; the reason is what counts.
      return {
        outcome: { ok: false, fault: faultOf(signal.aborted ? signal.reason : error, command.verb, host) },
      }
    }
  }

  /**
   * The outcome of `work`, for which nobody waits for long once its signal is aborted: a call to a QEMU that hangs ends
   * only when the delete that comes after it has ended QEMU.
   */
  async function orAbandoned(work: Promise<Done>, signal: AbortSignal, command: Command): Promise<Done> {
    const over = new AbortController()
    const leftAlone = Promise.withResolvers<never>()
    const onAbort = (): void => {
      clock.sleep(abandonAfterMs, over.signal).then(
        () => {
          log.warn(
            { server: command.serverId, request: command.requestId },
            `${command.verb} hangs; left alone`,
          )
          void followAbandoned(work, command)
          leftAlone.reject(signal.reason)
        },
        () => {},
      )
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true, signal: over.signal })
    try {
      return await Promise.race([work, leftAlone.promise])
    } finally {
      over.abort()
    }
  }

  /** What it was about to make may come into being after the delete that did not wait for it. */
  async function followAbandoned(work: Promise<Done>, { serverId, verb }: Command): Promise<void> {
    const ofServer = abandoned.get(serverId) ?? new Set()
    abandoned.set(serverId, ofServer.add(work))
    await work.catch(() => {})
    const isLatest = abandoned.get(serverId) === ofServer
    ofServer.delete(work)
    if (!isLatest || stopping) return
    if (ofServer.size === 0) abandoned.delete(serverId)
    try {
      await enqueue(serverId, (signal) => options.onAbandonedEnd(serverId, signal))
    } catch (error) {
      // The census tells the controller what is left.
      log.warn({ err: error, server: serverId }, `no look at the server after its ${verb} that hung`)
    }
  }

  async function enqueue(serverId: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const abort = new AbortController()
    ownWork.add(abort)
    try {
      await queues.add(serverId, async () => work(abort.signal))
    } finally {
      ownWork.delete(abort)
    }
  }

  function logOutcome(command: Command, outcome: Outcome, ms: number): void {
    log.debug(
      { server: command.serverId, request: command.requestId, ok: outcome.ok, ms: Math.round(ms) },
      command.verb,
    )
  }

  /** A delete need not wait for what it makes pointless, nor a hard reboot for a guest that is slow to go down. */
  function supersede(newer: Command): void {
    for (const { command, abort } of runs.values()) {
      if (command.id === newer.id) break
      if (command.serverId === newer.serverId && isSuperseded(command, newer))
        abort.abort(new LodgeError('conflict', reasons[newer.verb] ?? ''))
    }
  }

  return {
    async command(command) {
      if (stopping) throw agentStops
      const running = runs.get(command.id)
      if (running) return running.outcome
      const recorded = journal.find(command.id)
      if (held) {
        await takeUpBefore(command)
        const meanwhile = runs.get(command.id)
        if (meanwhile) return meanwhile.outcome
      }
      if (recorded === undefined || recorded === 'accepted') return begin(command, recorded === undefined)
      return recorded
    },
    hold() {
      held = journal.unfinished()
    },
    recover() {
      const unfinished = (held ?? journal.unfinished()).filter(({ id }) => !runs.has(id))
      if (unfinished.length > 0) log.info({ commands: unfinished.length }, 'taking up unfinished commands')
      held = undefined
      for (const command of unfinished) void begin(command, false)
    },
    busy: (serverId) => queues.busy(serverId),
    track: () => queues.track(),
    enqueue,
    async stop() {
      stopping = true
      for (const { abort } of runs.values()) abort.abort(agentStops)
      for (const abort of ownWork) abort.abort(agentStops)
      // A call to the hypervisor cannot be taken back; those that take long are left to themselves.
      const idle = new AbortController()
      const tooLong = clock.sleep(2_000, idle.signal).catch(() => {})
      await Promise.race([queues.idle(), tooLong])
      idle.abort()
    },
  }
}

/** These are about a command that is at work on the server, and would wait for it for ever in the server's queue. */
const besides = new Set<Verb>(['migrateAbort', 'migrateForceComplete'])

const queueOf = ({ id, serverId, verb }: Command): string => (besides.has(verb) ? id : serverId)

/** From the abort of a command to the moment at which the next one no longer waits for it. */
const abandonAfterMs = 10_000

const reasons: Partial<Record<Verb, string>> = {
  destroy: 'The server is being deleted',
  reboot: 'A hard reboot was asked for meanwhile',
  resizeReturn: 'The move was taken back',
  resizeDiscard: 'The move was taken back',
}

/** What takes a move back ends it. */
const undoes: Partial<Record<Verb, Verb[]>> = {
  resizeReturn: ['resizeSend'],
  resizeDiscard: ['resizePrepare', 'resizeFinish'],
}

const isReboot = (command: Command, type: 'SOFT' | 'HARD'): boolean =>
  command.verb === 'reboot' && (command as Command<'reboot'>).params.type === type

const supersedesOthers = (command: Command): boolean =>
  command.verb === 'destroy' || command.verb in undoes || isReboot(command, 'HARD')

const isSuperseded = (older: Command, newer: Command): boolean =>
  newer.verb === 'destroy'
    ? older.verb !== 'destroy'
    : (undoes[newer.verb]?.includes(older.verb) ?? isReboot(older, 'SOFT'))
