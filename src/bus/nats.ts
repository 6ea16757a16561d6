import { setTimeout as delay } from 'node:timers/promises'
import { RequestError, type NatsConnection, type Status } from '@nats-io/transport-node'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { QueryTable } from '../contract/command.ts'
import type { Outcome } from '../contract/command.ts'
import type { Report } from '../contract/report.ts'
import type { Bus, WorkedInReport } from './bus.ts'
import { serveHost } from './nats-agent-side.ts'
import { controllerSide, defaultPatience, type NatsPatience } from './nats-controller-side.ts'
import { decodeReport, encode } from './nats-messages.ts'
import { everyHeartbeat, hostOfReport, reportSubject, workedInReports } from './nats-subjects.ts'

export interface NatsBusOptions {
  connection: NatsConnection
  log: Logger
  patience?: Partial<NatsPatience>
}

export interface NatsBus extends Bus {
  /** Resolves when the connection is closed for good: by `close`, or because the server refuses us. */
  readonly closed: Promise<void>
  /** The connection is back, and the server behind it may be a new one. */
  onReconnect(listener: () => void): void
  close(): Promise<void>
}

/** Controllers that share the work of reports. */
const controllers = 'controllers'

/** Nobody answers a report: when the server has not said in this time that nobody listens, somebody does. */
const heardMs = 250
const nobodyMs = 250

/** How long a heartbeat waits for those of other hosts on the same connection, milliseconds: they go in one write. */
const gatherMs = 20

/**
 * The bus over NATS. The connection reconnects by itself; while it is gone, sends wait, questions fail, heartbeats
 * and progress are dropped, and of other reports the newest is kept for the moment at which it is back.
 */
export function createNatsBus({ connection, log, patience }: NatsBusOptions): NatsBus {
  let online = true
  const connected = (): boolean => online && !connection.isClosed()
  const commands = controllerSide(connection, connected, { ...defaultPatience, ...patience })
  const listeners = new Set<(report: WorkedInReport) => void>()
  const hearers = new Set<(host: string) => void>()
  const reconnected = new Set<() => void>()
  const kept = new Map<string, Report>()
  const served = new Set<string>()

  const publish = (report: Report): void =>
    connection.publish(reportSubject(report.host, report.type), encode(report))

  let gathered: Report[] = []

  function gather(report: Report): void {
    gathered.push(report)
    if (gathered.length === 1) setTimeout(publishGathered, gatherMs)
  }

  function publishGathered(): void {
    const reports = gathered
    gathered = []
    // There will be others.
    if (connected()) for (const report of reports) publish(report)
  }

  /** What was kept goes once somebody hears it: controllers may be slower to come back than we are. */
  async function publishKept(): Promise<void> {
    while (connected() && kept.size > 0) {
      const [first] = kept.values()
      if (first && (await isHeard(first))) {
        for (const report of kept.values()) if (report !== first) publish(report)
        kept.clear()
        return
      }
      await delay(nobodyMs)
    }
  }

  /** Sends it in a way in which the server tells when nobody listens. */
  async function isHeard(report: Report): Promise<boolean> {
    try {
      await connection.request(reportSubject(report.host, report.type), encode(report), { timeout: heardMs })
      return true
    } catch (error) {
      return connected() && !(error instanceof RequestError && error.isNoResponders())
    }
  }

  function onStatus(status: Status): void {
    if (status.type === 'disconnect') {
      online = false
      log.warn('the connection to NATS is lost')
    } else if (status.type === 'reconnect') {
      online = true
      log.info('the connection to NATS is back')
      void publishKept()
      commands.reconnected()
      for (const listener of reconnected) listener()
    } else if (status.type === 'error') log.warn({ reason: status.error.message }, 'NATS refused something')
  }
  void watch(connection, onStatus)

  const closed = connection.closed().then((error) => {
    online = false
    commands.stop()
    if (error) log.error({ reason: error.message }, 'the connection to NATS is closed')
  })

  function take(subject: string, data: Uint8Array): void {
    try {
      const report = decodeReport(data)
      const speaker = hostOfReport(subject)
      // Permissions bind an agent to its subject; this binds what it says to it.
      if (speaker !== report.host)
        throw new LodgeError('forbidden', `Host ${speaker} reported in the name of ${report.host}`)
      for (const listener of listeners) listener(report)
    } catch (error) {
      log.warn({ subject, reason: messageOf(error) }, 'a report was refused')
    }
  }

  return {
    closed,
    onReconnect(listener) {
      reconnected.add(listener)
    },
    send: (command) => commands.send(command) as Promise<Outcome<typeof command.verb>>,
    ask: (query) => commands.ask(query) as Promise<QueryTable[typeof query.name]['result']>,
    onReport(listener) {
      listeners.add(listener)
      if (listeners.size > 1) return
      for (const subject of workedInReports)
        connection.subscribe(subject, {
          queue: controllers,
          callback: (error, message) => {
            if (!error) take(message.subject, message.data)
          },
        })
    },
    onHeartbeat(listener) {
      hearers.add(listener)
      if (hearers.size > 1) return
      // The subject says it all, so nothing is parsed: every controller hears every host of a fleet.
      for (const heartbeats of everyHeartbeat)
        connection.subscribe(heartbeats, {
          callback: (error, { subject }) => {
            const host = error ? undefined : hostOfReport(subject)
            if (host !== undefined) for (const hear of hearers) hear(host)
          },
        })
    },
    async serve(host, endpoint) {
      if (served.has(host)) throw new LodgeError('conflict', `An agent for host ${host} is running already`)
      served.add(host)
      try {
        const leave = await serveHost(connection, host, endpoint, connected)
        return async () => {
          served.delete(host)
          await leave()
        }
      } catch (error) {
        served.delete(host)
        throw error
      }
    },
    async report(report) {
      const isHeartbeat = report.type === 'host' || report.type === 'alive'
      if (connected()) return isHeartbeat ? gather(report) : publish(report)
      if (isHeartbeat || report.type === 'migration-progress' || connection.isClosed())
        throw new LodgeError('unavailable', 'There is no connection to NATS')
      const key = `${report.host} ${report.type} ${report.type === 'power' ? report.serverId : ''}`
      kept.delete(key)
      kept.set(key, report)
    },
    async close() {
      publishGathered()
      if (!connection.isClosed()) await (online ? connection.drain() : connection.close())
      await closed
    },
  }
}

async function watch(connection: NatsConnection, onStatus: (status: Status) => void): Promise<void> {
  for await (const status of connection.status()) onStatus(status)
}
