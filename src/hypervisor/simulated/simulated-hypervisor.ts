import { writeFile } from 'node:fs/promises'
import { systemClock, type Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import type { MigrationOutcome } from '../../model/migration-forecast.ts'
import { powerState } from '../../model/server-state.ts'
import type { DomainEvent, DomainSummary, Hypervisor, HypervisorCapabilities } from '../hypervisor.ts'
import {
  createCallBehaviour,
  type SimulatedCall,
  type SimulatedFailure,
  type SimulatedLatency,
} from './call-behaviour.ts'
import { readDomainXml, type DomainDefinition } from './read-domain-xml.ts'
import { createSimulatedMigrations, type SimulatedPeers } from './simulated-migration.ts'
import { simulatedCapabilities } from './simulated-host.ts'
import { createSimulatedDomain, type SimulatedDomain } from './simulated-domain.ts'
import {
  createSimulatedGuest,
  politeGuest,
  stillGuest,
  type GuestBehaviour,
  type SimulatedGuest,
} from './simulated-guest.ts'
import { statisticsOf } from './statistics.ts'
import { tinyQcow2 } from './tiny-qcow2.ts'

export interface SimulatedHypervisorOptions {
  clock?: Clock
  latency?: SimulatedLatency
  seed?: number
  host?: Partial<HypervisorCapabilities>
  /** How guests behave that were not told otherwise. */
  guests?: Partial<GuestBehaviour>
  /** The name under which other hosts of `peers` reach this one. */
  name?: string
  /** The hosts that guests can be moved to; this one adds itself. */
  peers?: SimulatedPeers
  /** How long a migration copies. */
  migrationMs?: number
}

/** A hypervisor in memory that keeps libvirt's rules, with ways to act as the guests and as the world outside. */
export interface SimulatedHypervisor extends Hypervisor {
  readonly kind: 'simulated'
  /** The next calls of that name fail. */
  fail(call: SimulatedCall, failure: SimulatedFailure): void
  setLatency(latency: SimulatedLatency): void
  /** From now on no call comes back, until what this returns is called. */
  hang(): () => void
  /** How long migrations copy from now on. */
  setMigrationMs(milliseconds: number): void
  /** Tells each call as it comes in. Returns how to stop. */
  watchCalls(listener: (call: SimulatedCall, uuid: string | undefined) => void): () => void
  /** The connection breaks: calls fail and events are lost, while guests run on. */
  disconnect(): void
  reconnect(): void
  /** The power of the whole host fails: every guest is off, without a word. */
  powerFailure(): void
  /** @throws LodgeError notFound */
  guest(uuid: string): GuestControls
}

/** What happens to a domain from inside or from outside Lodge. */
export interface GuestControls {
  shutDown(): void
  crash(): void
  reboot(): void
  ioError(device: string, reason: string): void
  behave(behaviour: Partial<GuestBehaviour>): void
  readonly frozen: boolean
}

const mib = 2 ** 20

interface Machine {
  domain: SimulatedDomain
  guest: SimulatedGuest
  /** How it came here. */
  completed?: MigrationOutcome
}

export function createSimulatedHypervisor(options: SimulatedHypervisorOptions = {}): SimulatedHypervisor {
  const clock = options.clock ?? systemClock
  const capabilities = simulatedCapabilities(options.host)
  const behaviour: GuestBehaviour = { ...politeGuest, ...options.guests }
  const machines = new Map<string, Machine>()
  const uuids = new Map<string, string>()
  const eventListeners = new Set<(event: DomainEvent) => void>()
  const connectionListeners = new Set<(connected: boolean) => void>()
  let connected = true
  const calls = createCallBehaviour({
    clock,
    latency: options.latency ?? 0,
    seed: options.seed ?? 1,
    connected: () => connected,
  })

  let migrationMs = options.migrationMs ?? 20
  const peers: SimulatedPeers = options.peers ?? new Map()
  const migrations = createSimulatedMigrations(
    clock,
    peers,
    () => connected,
    () => migrationMs,
  )
  if (options.name !== undefined)
    peers.set(options.name, {
      get connected() {
        return connected
      },
      receive: ({ persistentXml }, paused, completed) => {
        const { uuid } = readDomainXml(persistentXml)
        if (machines.has(uuid))
          throw new LodgeError('internal', `operation failed: domain with uuid ${uuid} already exists`)
        const machine = define(persistentXml)
        machine.completed = completed
        machine.domain.arrive({ paused })
      },
    })

  function emit(event: DomainEvent): void {
    if (connected) for (const listener of eventListeners) listener(event)
  }

  function setConnected(wanted: boolean): void {
    if (connected === wanted) return
    connected = wanted
    for (const listener of connectionListeners) listener(wanted)
  }

  function find(uuid: string): Machine {
    const machine = machines.get(uuid)
    if (!machine) throw new LodgeError('notFound', `Domain not found: no domain with matching uuid '${uuid}'`)
    return machine
  }

  /** A call on one domain, after which a domain of which nothing is left is forgotten. */
  function onDomain(
    call: SimulatedCall,
    uuid: string,
    work: (machine: Machine) => void | Promise<void>,
  ): Promise<void> {
    return calls.run(call, uuid, async () => {
      await work(find(uuid))
      forgetIfGone(uuid)
    })
  }

  function forgetIfGone(uuid: string): void {
    const domain = machines.get(uuid)?.domain
    if (!domain?.gone) return
    machines.delete(uuid)
    uuids.delete(domain.name)
  }

  function define(xml: string): Machine {
    const definition = readDomainXml(xml)
    let machine = machines.get(definition.uuid)
    checkName(definition, machine)
    if (!machine) {
      const domain = createSimulatedDomain(definition, emit, () => clock.now())
      const guest = createSimulatedGuest(domain, clock, { ...behaviour }, () => forgetIfGone(definition.uuid))
      machine = { domain, guest }
      machines.set(definition.uuid, machine)
      uuids.set(definition.name, definition.uuid)
    }
    machine.domain.define(definition)
    return machine
  }

  /** A name and a uuid belong together, and to one domain. */
  function checkName({ name, uuid }: DomainDefinition, known: Machine | undefined): void {
    const owner = uuids.get(name)
    if (owner !== undefined && owner !== uuid)
      throw new LodgeError('internal', `operation failed: domain '${name}' already exists with uuid ${owner}`)
    if (known && known.domain.name !== name)
      throw new LodgeError(
        'internal',
        `operation failed: domain '${known.domain.name}' is already defined with uuid ${uuid}`,
      )
  }

  return {
    kind: 'simulated',
    get connected() {
      return connected
    },
    capabilities: () => calls.run('capabilities', undefined, () => capabilities),
    memoryUsedMiB: () =>
      calls.run('memoryUsedMiB', undefined, () => {
        let used = 512
        for (const { domain } of machines.values()) if (domain.active) used += domain.definition.memoryMiB
        return used
      }),
    listDomains: () =>
      calls.run('listDomains', undefined, () =>
        [...machines.values()].map(({ domain }) => summaryOf(domain)),
      ),
    findDomain: (uuid) =>
      calls.run('findDomain', uuid, () => {
        const machine = machines.get(uuid)
        return machine && summaryOf(machine.domain)
      }),
    domainXml: (uuid) => calls.run('domainXml', uuid, () => find(uuid).domain.definition.xml),

    define: (xml) => calls.run('define', undefined, () => void define(xml)),
    start: (uuid, { paused = false, discardSaved = false } = {}) =>
      onDomain('start', uuid, ({ domain, guest }) => {
        domain.start({ paused, discardSaved })
        if (guest.behaviour.agent) emit({ type: 'agent', uuid, connected: true })
      }),
    undefine: (uuid) => onDomain('undefine', uuid, ({ domain }) => domain.undefine()),
    requestShutdown: (uuid) =>
      onDomain('requestShutdown', uuid, ({ domain, guest }) => {
        needActive(domain)
        guest.pressPowerButton()
      }),
    requestReboot: (uuid) =>
      onDomain('requestReboot', uuid, ({ domain, guest }) => {
        needActive(domain)
        guest.askToReboot()
      }),
    reset: (uuid) =>
      onDomain('reset', uuid, ({ domain }) => {
        needActive(domain)
        domain.reboot()
      }),
    destroy: (uuid, { graceful = false } = {}) =>
      onDomain('destroy', uuid, ({ domain }) => domain.destroy(graceful)),
    suspend: (uuid) => onDomain('suspend', uuid, ({ domain }) => domain.suspend()),
    resume: (uuid) =>
      onDomain('resume', uuid, ({ domain, guest }) => {
        domain.resume()
        guest.woken()
      }),
    managedSave: (uuid) => onDomain('managedSave', uuid, ({ domain }) => domain.managedSaveNow()),
    removeManagedSave: (uuid) => onDomain('removeManagedSave', uuid, ({ domain }) => domain.dropSaved()),
    syncTime: (uuid) => onDomain('syncTime', uuid, ({ domain }) => needActive(domain)),
    agentCommand: (uuid, _command, _timeoutSeconds) =>
      calls.run('agentCommand', uuid, () => {
        needAgent(find(uuid))
        return {}
      }),
    freeze: (uuid) =>
      onDomain('freeze', uuid, (machine) => {
        needAgent(machine)
        machine.guest.frozen = true
      }),
    thaw: (uuid) =>
      onDomain('thaw', uuid, (machine) => {
        needAgent(machine)
        machine.guest.frozen = false
      }),
    copyDisk: async (uuid, disk, target, { format, atReady, signal }) => {
      await onDomain('copyDisk', uuid, async ({ domain }) => {
        needActive(domain)
        if (!domain.definition.disks.includes(disk))
          throw new LodgeError('internal', `invalid argument: disk '${disk}' not found in domain`)
        const contents = format === 'qcow2' ? tinyQcow2() : Buffer.alloc(64 * 1024)
        await writeFile(target, contents, { flag: 'wx', mode: 0o600 })
      })
      signal?.throwIfAborted()
      emit({ type: 'block-job', uuid, disk, status: 'ready' })
      try {
        await atReady?.()
      } finally {
        emit({ type: 'block-job', uuid, disk, status: 'canceled' })
      }
    },
    migratableXml: (uuid) => calls.run('migratableXml', uuid, () => find(uuid).domain.definition.xml),
    canRunCpu: () => calls.run('canRunCpu', undefined, () => true),
    migrate: (uuid, migration) =>
      calls.run('migrate', uuid, () => {
        const { domain } = find(uuid)
        return migrations.run(domain, migration, () => {
          domain.leave()
          forgetIfGone(uuid)
        })
      }),
    watchWrites: (uuid) =>
      calls.run('watchWrites', uuid, () => {
        const { domain, guest } = find(uuid)
        needActive(domain)
        const { memoryMiBps, diskMiBps } = domain.paused ? stillGuest : guest.behaviour.writes
        const memoryBytes = domain.definition.memoryMiB * mib
        return {
          memoryBytes,
          residentBytes: memoryBytes,
          dirtyBytesPerSecond: Math.min(memoryBytes, memoryMiBps * mib),
          diskBytesPerSecond: diskMiBps * mib,
        }
      }),
    completedMigration: (uuid) => calls.run('completedMigration', uuid, () => find(uuid).completed),
    // A simulated move happens at one moment, or not at all.
    cameBack: async () => false,
    domainJob: (uuid) =>
      calls.run('domainJob', uuid, () => {
        find(uuid)
        return migrations.job(uuid)
      }),
    abortJob: (uuid) => onDomain('abortJob', uuid, () => migrations.abort(uuid)),
    setMaxDowntime: (uuid) => onDomain('setMaxDowntime', uuid, ({ domain }) => needActive(domain)),
    startPostCopy: (uuid) => onDomain('startPostCopy', uuid, () => migrations.hurry(uuid)),
    domainStats: (uuid, groups) =>
      calls.run('domainStats', uuid, () => statisticsOf(find(uuid).domain, groups, clock.now())),

    onEvent: (listener) => subscribe(eventListeners, listener),
    onConnection: (listener) => subscribe(connectionListeners, listener),
    close: async () => {
      connected = false
      eventListeners.clear()
      connectionListeners.clear()
    },

    fail: calls.fail,
    setLatency: calls.setLatency,
    hang: calls.hang,
    setMigrationMs(milliseconds) {
      migrationMs = milliseconds
    },
    watchCalls: calls.watch,
    disconnect: () => setConnected(false),
    reconnect: () => setConnected(true),
    powerFailure() {
      setConnected(false)
      for (const [uuid, { domain }] of machines) {
        if (domain.active) domain.crash()
        forgetIfGone(uuid)
      }
    },
    guest(uuid) {
      const { domain, guest } = find(uuid)
      const acting = (act: () => void) => (): void => {
        act()
        forgetIfGone(uuid)
      }
      return {
        shutDown: acting(() => domain.powerOff()),
        crash: acting(() => domain.crash()),
        reboot: acting(() => domain.reboot()),
        ioError: (device, reason) => domain.pauseForIoError(device, reason),
        behave: (wanted) => {
          guest.behaviour = { ...guest.behaviour, ...wanted }
        },
        get frozen() {
          return guest.frozen
        },
      }
    },
  }
}

function summaryOf(domain: SimulatedDomain): DomainSummary {
  return {
    uuid: domain.uuid,
    name: domain.name,
    powerState: domain.state,
    managedSave: domain.managedSave,
    isLodge: domain.definition.isLodge,
  }
}

function needActive(domain: SimulatedDomain): void {
  if (!domain.active)
    throw new LodgeError('conflict', 'Requested operation is not valid: domain is not running')
}

function needAgent({ domain, guest }: Machine): void {
  needActive(domain)
  if (!guest.behaviour.agent || domain.state !== powerState.RUNNING)
    throw new LodgeError('conflict', 'Guest agent is not responding: QEMU guest agent is not connected')
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
