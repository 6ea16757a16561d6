import type { AgentEndpoint, Bus } from '../bus/bus.ts'
import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { Command, Outcome, Query, QueryName, Verb } from '../contract/command.ts'
import type { DiskTransfer } from '../contract/disk-transfer.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import type { CensusEntry, Report } from '../contract/report.ts'
import type { DomainSummary, Hypervisor } from '../hypervisor/hypervisor.ts'
import { powerState } from '../model/server-state.ts'
import { cachedCapabilities } from './cached-capabilities.ts'
import { takeCensus } from './census.ts'
import { checkCommand } from './check-command.ts'
import { createDiskOffers } from './disk-transfer/disk-offers.ts'
import { createInProcessDiskTransfer } from './disk-transfer/in-process-transfer.ts'
import type { Disks } from './disk/disks.ts'
import { createDomainWatch, isActive } from './domain-watch.ts'
import { faultOf } from './fault.ts'
import { createHeartbeat } from './heartbeat.ts'
import { followed } from './follow-guest.ts'
import { createImagePreheating } from './image-preheating.ts'
import { createIntake } from './intake.ts'
import { describeHost } from './inventory.ts'
import type { Journal } from './journal.ts'
import { endGuestsOnLostDisks, lostDisksEveryMs } from './lost-disks.ts'
import type { Machine } from './machine.ts'
import { createMigrations } from './migrations.ts'
import { createPowerReports } from './power-reports.ts'
import { answerQuery } from './queries.ts'
import { repeat } from './repeat.ts'
import { restartGuests } from './restart-guests.ts'
import { restoreSimulatedGuests } from './restore-simulated.ts'
import { createSemaphore, type Semaphore } from './semaphore.ts'
import { removeServer } from './server/remove-server.ts'
import type { VerbContext } from './server/verb.ts'
import { performCommand } from './server/verbs.ts'
import type { AroundCommand } from './simulated-commands.ts'

export interface AgentOptions {
  config: Config['agent']
  /** Unique in the deployment; what commands are addressed to. */
  hostName: string
  /** Stable over restarts and renames. */
  hostId: string
  hypervisor: Hypervisor
  disks: Disks
  bus: Bus
  images: ImageTransfer
  /** Without one disks can be sent within this host alone. */
  transfer?: DiskTransfer
  journal: Journal
  machine: Machine
  /** What befalls commands beside their work, on simulated hosts. */
  around?: AroundCommand
  /** Its servers may be moved while it is away: at start it does nothing of its own before a controller agrees. */
  awaitsAdmission?: boolean
  clock: Clock
  log: Logger
}

/** The daemon of one host. */
export interface Agent {
  readonly hostName: string
  /**
   * Takes up what the last run left, serves the bus, and reports. Without a connection to the hypervisor it does
   * so once there is one.
   * @throws LodgeError conflict when an agent for this host runs already
   */
  start(): Promise<void>
  /** Leaves the bus and all guests as they are. Work under way is taken up again by the next start. */
  stop(): Promise<void>
  /** Takes a census now and reports it. */
  reconcile(): Promise<void>
}

/**
 * Puts the parts together:
 *
 *   bus -> intake -> server/<verb> -> hypervisor, disks
 *            |                            |
 *         journal        domain watch <- events -> power reports -> bus
 *                        heartbeat, census ------------------------> bus
 */
export function createAgent(options: AgentOptions): Agent {
  const { config, hostName, hypervisor, disks, bus, clock, machine } = options
  const log = options.log.child({ room: 'agent', host: hostName })
  const journal = options.journal.forHost(hostName)
  const capabilities = cachedCapabilities(hypervisor)
  const watch = createDomainWatch(hypervisor, clock)
  const transfer = options.transfer ?? createInProcessDiskTransfer()
  const offers = createDiskOffers(hostName, disks, transfer)
  const context: VerbContext = {
    host: hostName,
    hypervisor,
    capabilities: capabilities.get,
    disks,
    images: options.images,
    transfer,
    offers,
    watch,
    recordedSpec: journal.spec,
    settings: config,
    hostIp: machine.hostIp,
    migrations: createMigrations(config.maxMigrations),
    preheating: createImagePreheating(disks, clock),
    report: send,
    clock,
    log,
  }
  const intake = createIntake({
    host: hostName,
    journal,
    perform: (command, signal) => {
      const work = () => performCommand(context, command, signal)
      return options.around ? options.around(command, signal, work) : work()
    },
    limits: limitsOf(config),
    onAbandonedEnd: removeIfDeleted,
    onFinished: tellPower,
    clock,
    log,
  })
  const powerReports = createPowerReports({
    host: hostName,
    hypervisor,
    isOurs: journal.isOnLedger,
    busy: intake.busy,
    stateByEvents: watch.state,
    send: (report) => void send(report),
    seen: follow,
    clock,
    log,
  })
  const endpoint: AgentEndpoint = {
    async command(command) {
      try {
        checkCommand(command, hostName)
      } catch (error) {
        return { ok: false, fault: faultOf(error, command.verb, hostName) }
      }
      return intake.command(command)
    },
    async query(query) {
      if (query.name === 'admit') return admit() as never
      return answerQuery(context, query as Query<Exclude<QueryName, 'admit'>>) as never
    },
  }
  const stopped = new AbortController()
  let leaveBus: (() => Promise<void>) | undefined
  let stopReceiving: (() => Promise<void>) | undefined
  let awaiting = options.awaitsAdmission === true
  let comingOnline: Promise<void> | undefined

  function tellPower(command: Command, outcome: Outcome): void {
    if (!outcome.ok) powerReports.recheck(command.serverId)
    else if ('powerState' in outcome.result) powerReports.told(command.serverId, outcome.result.powerState)
    else if (!journal.isOnLedger(command.serverId)) powerReports.forget(command.serverId)
  }

  /** A start or a build that hung may have made a domain after the delete that did not wait for it. */
  async function removeIfDeleted(serverId: string): Promise<void> {
    if (!journal.isOnLedger(serverId)) await removeServer(context, serverId)
  }

  /** The ledger follows a guest that changed by itself, or the next boot of the host would not find what ran. */
  function follow(serverId: string, domain: DomainSummary | undefined): void {
    const wanted = journal.wanted(serverId)
    if (wanted === undefined) return
    const now = followed(wanted, domain)
    if (now === wanted) return
    journal.want(serverId, now, clock.now()).catch((error: unknown) => {
      // The next census tries again.
      log.warn({ server: serverId, reason: messageOf(error) }, 'ledger not brought up to date')
    })
  }

  /** What changed while nobody looked: before the agent's start, or while libvirt was away. */
  async function followCounted({ serverId, busy, hasDomain, powerState: state }: CensusEntry): Promise<void> {
    const wanted = journal.wanted(serverId)
    if (busy || wanted === undefined) return
    if (isActive(state) && (state !== powerState.RUNNING || wanted !== 'stopped')) return
    const domain = hasDomain ? await hypervisor.findDomain(serverId) : undefined
    if (!intake.busy(serverId)) follow(serverId, domain)
  }

  async function send(report: Report): Promise<void> {
    await deliver(report)
  }

  async function deliver(report: Report): Promise<boolean> {
    try {
      await bus.report(report)
      return true
    } catch (error) {
      log.warn({ reason: messageOf(error) }, `${report.type} report not delivered`)
      return false
    }
  }

  const heartbeat = createHeartbeat({
    host: hostName,
    describe: () =>
      describeHost({
        host: hostName,
        hostId: options.hostId,
        hypervisor,
        capabilities: capabilities.get,
        disks,
        machine,
        activeDomains: watch.activeCount,
        settings: config,
      }),
    send: deliver,
    clock,
  })

  /** Not sent without a hypervisor: a host that cannot run guests counts as down. */
  async function beatOnce(): Promise<void> {
    if (!hypervisor.connected) return
    // Whoever admits us may never have heard of us.
    if (awaiting) await heartbeat.inFull()
    else await heartbeat.beat()
  }

  async function reconcile(): Promise<void> {
    if (!hypervisor.connected) return
    const servers = await takeCensus({ hypervisor, disks, journal, intake, watch })
    await send({
      version: 1,
      type: 'census',
      host: hostName,
      at: clock.now(),
      servers,
      ...(awaiting ? { awaitsAdmission: true } : {}),
    })
    for (const entry of servers) {
      if (!entry.busy) powerReports.told(entry.serverId, entry.powerState)
      await followCounted(entry)
    }
    await journal.trim(clock.now() - outcomesKeptMs)
  }

  /** Work whose failure must not end the agent. */
  const safely = (what: string, work: () => Promise<void>) => async (): Promise<void> => {
    try {
      await work()
    } catch (error) {
      log.error({ reason: messageOf(error) }, `${what} failed`)
    }
  }
  const beat = safely('heartbeat', beatOnce)
  const count = safely('census', reconcile)
  const sweepImages = safely('removing unused images', () =>
    disks.removeUnusedImages(config.imageCacheHours * hourMs),
  )
  const tellVirtType = safely('finding out how guests are run', async () => {
    const { virtType, virtTypeReason } = await capabilities.get()
    log.info({ virtType, reason: virtTypeReason }, 'how guests are run')
  })

  /** Once for each start of the agent; again only if it failed. */
  function goOnline(): Promise<void> {
    comingOnline ??= comeOnline().catch((error: unknown) => {
      comingOnline = undefined
      throw error
    })
    return comingOnline
  }

  async function comeOnline(): Promise<void> {
    if (hypervisor.kind === 'simulated') await restoreSimulatedGuests(context, journal)
    if (awaiting) intake.hold()
    else await takeUpWork()
    if (stopped.signal.aborted) return
    stopReceiving = await transfer.serve(hostName, offers)
    leaveBus = await bus.serve(hostName, endpoint)
    await beat()
    await count()
    if (hypervisor.kind === 'libvirt') void tellVirtType()
    repeat({ clock, ms: config.reportSeconds * 1000, seed: hostName, signal: stopped.signal }, async () => {
      await beat()
      // Nobody may have heard the first one.
      if (awaiting) await count()
    })
    repeat({ clock, ms: config.reconcileSeconds * 1000, seed: hostName, signal: stopped.signal }, count)
    if (disks.shared) {
      const look = safely('looking for lost disks', () => endGuestsOnLostDisks(context, journal))
      repeat({ clock, ms: lostDisksEveryMs, seed: hostName, signal: stopped.signal }, look)
    }
    if (config.imageCacheHours > 0)
      repeat({ clock, ms: hourMs, seed: hostName, signal: stopped.signal }, sweepImages)
  }

  async function takeUpWork(): Promise<void> {
    intake.recover()
    await afterBoot()
  }

  /** What moved away is gone from this host: the rest is its own. */
  async function admit(): Promise<object> {
    if (!awaiting) return {}
    awaiting = false
    log.info('admitted by the controller')
    await takeUpWork()
    // What it does not start again by itself is off, and the controller is to know.
    void count()
    return {}
  }

  async function afterBoot(): Promise<void> {
    const bootId = machine.bootId()
    const before = journal.bootId()
    if (bootId === undefined || bootId === before) return
    if (before !== undefined && config.resumeGuestsOnHostBoot)
      void restartGuests(context, journal, intake, powerReports.recheck)
        .then(() => journal.setBootId(bootId))
        .catch(logBoot)
    else await journal.setBootId(bootId)
  }

  const logBoot = (error: unknown): void =>
    log.error({ reason: messageOf(error) }, 'guests not restarted after a boot of the host')

  function onConnection(connected: boolean): void {
    log[connected ? 'info' : 'warn'](connected ? 'hypervisor is back' : 'hypervisor is lost')
    if (!connected || stopped.signal.aborted) return
    capabilities.forget()
    heartbeat.forget()
    void (leaveBus ? beat().then(count) : safely('start', goOnline)())
  }

  const unsubscribe = hypervisor.onConnection(onConnection)
  return {
    hostName,
    async start() {
      if (hypervisor.connected) await goOnline()
      else log.warn('waiting for the hypervisor')
    },
    async stop() {
      stopped.abort()
      unsubscribe()
      await comingOnline?.catch(() => {})
      await leaveBus?.()
      await stopReceiving?.()
      context.preheating.stop()
      await intake.stop()
      powerReports.stop()
      watch.stop()
    },
    reconcile,
  }
}

const hourMs = 3_600_000

/** How long the outcome of a command is kept for a controller that asks again. */
const outcomesKeptMs = 24 * hourMs

function limitsOf(config: Config['agent']): Partial<Record<Verb, Semaphore>> {
  return {
    spawn: createSemaphore(config.maxBuilds),
    snapshot: createSemaphore(config.maxSnapshots),
  }
}
