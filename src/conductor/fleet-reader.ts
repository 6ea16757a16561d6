import type { HostDescription } from '../model/host.ts'
import type { AggregateFacts, HostState } from '../scheduler/host-state.ts'
import {
  createHostTable,
  describeHost,
  setNumbers,
  withMoreHosts,
  withPlaces,
  type HostTable,
} from '../scheduler/host-table.ts'
import { listAggregates, zoneKey } from '../store/aggregates.ts'
import { loadOfHosts, type HostLoad } from '../store/host-list.ts'
import {
  describeHosts,
  fleetVersion,
  listSchedulableHosts,
  type FleetVersion,
  type HostRange,
  type SchedulableHost,
} from '../store/schedulable-hosts.ts'
import type { Db } from '../store/store.ts'
import { createRound } from './round.ts'

/**
 * Keeps a table of all hosts as the store has them, at a cost that no placement feels: what operators change is read
 * when it has changed, and everything else in rounds, a small part of the hosts at a time. Several may read at the
 * same time, each in a transaction of its own; whatever comes in late is replaced by the next round.
 */
export interface FleetReader {
  table(): HostTable
  /** Reads what operators have changed, who is new, and what is due of the rest. */
  follow(db: Db, now: number): Promise<void>
  /** Reads what was given up. */
  ensure(db: Db, now: number): Promise<void>
  /** Reads the numbers of all hosts; returns false when that was done just now. */
  readAll(db: Db, now: number): Promise<boolean>
  /** Of these hosts, or of all, what the table says is not to be relied upon. */
  invalidate(names?: readonly string[]): void
}

export interface FleetReaderOptions {
  /** Of hosts whose aggregates say none. */
  defaultZone: string
  /** When we ourselves heard of a host last. */
  heardOf(name: string): number
  failedBuilds(name: string): number
  /** Where rounds are read beside the placements; without it they are read in their transactions. */
  beside?: Db | undefined
}

/** Capacity, use, state and heartbeats: others' claims are known that late at most. */
const numbersMs = 5000
/** Counting servers costs more, and our own claims are counted as they are made. */
const loadsMs = 30_000
/** What agents say of hosts seldom changes, and those that report to us are described at once. */
const descriptionsMs = 120_000
/** Descriptions read at once. */
const descriptionsAtOnce = 500
/** With more of them in doubt all are read. */
const doubtedAtMost = 500
/** All hosts have been read so lately that it need not be done again before one says that none fits. */
const justNowMs = 1000

export function createFleetReader(options: FleetReaderOptions): FleetReader {
  let table = createHostTable([])
  /** The store's numbers of the hosts in the table, in order. */
  let numbers: number[] = []
  let version: FleetVersion | undefined
  let placeOf: PlaceOf = () => ({ aggregates: [], availabilityZone: options.defaultZone })
  let allReadAt = -Infinity
  let isAllDoubted = true
  const doubted = new Set<string>()
  const rounds = {
    numbers: createRound(numbersMs),
    loads: createRound(loadsMs),
    descriptions: createRound(descriptionsMs),
  }

  /** Everything, from nothing. */
  async function begin(db: Db, now: number): Promise<void> {
    const current = await fleetVersion(db)
    const places = await placesOf(db, options.defaultZone)
    const rows = await listSchedulableHosts(db)
    const states = await statesOf(db, rows, places)
    version = current
    placeOf = places
    table = createHostTable(states)
    numbers = rows.map(({ number }) => number)
    for (const round of Object.values(rounds)) round.done(now)
    noteAllRead(now)
  }

  async function statesOf(db: Db, rows: readonly SchedulableHost[], places: PlaceOf): Promise<HostState[]> {
    const loads = new Map<string, HostLoad>()
    const descriptions = new Map<string, HostDescription>()
    for (let i = 0; i < rows.length; i += descriptionsAtOnce) {
      const some = rows.slice(i, i + descriptionsAtOnce)
      const range = { after: some[0]!.number - 1, upTo: some.at(-1)!.number }
      for (const [name, load] of await loadOfHosts(db, range)) loads.set(name, load)
      for (const [name, said] of await describeHosts(db, range)) descriptions.set(name, said)
    }
    return rows.map((row) => ({
      ...row,
      ...places(row.name),
      ...(loads.get(row.name) ?? { servers: 0, ioOps: 0 }),
      description: descriptions.get(row.name),
      lastSeenAt: lastSeenAt(row),
      failedBuilds: options.failedBuilds(row.name),
    }))
  }

  const lastSeenAt = (row: SchedulableHost): number => Math.max(row.lastSeenAt, options.heardOf(row.name))

  function noteAllRead(now: number): void {
    allReadAt = now
    isAllDoubted = false
    doubted.clear()
  }

  /** Takes over the rows of hosts, and newcomers at the table's end. Returns how many were there before. */
  async function apply(db: Db, rows: readonly SchedulableHost[]): Promise<number> {
    const strangers = rows.filter(({ name }) => !table.indexOf.has(name))
    if (strangers.length > 0) {
      strangers.sort((a, b) => a.number - b.number)
      const states = await statesOf(db, strangers, placeOf)
      // While we asked, someone else may have added some of them.
      const fresh = states.filter(({ name }) => !table.indexOf.has(name))
      const freshNumbers = strangers.filter(({ name }) => !table.indexOf.has(name))
      table = withMoreHosts(table, fresh)
      numbers = [...numbers, ...freshNumbers.map(({ number }) => number)].toSorted((a, b) => a - b)
    }
    for (const row of rows)
      setNumbers(table, table.indexOf.get(row.name)!, { ...row, lastSeenAt: lastSeenAt(row) })
    return rows.length - strangers.length
  }

  /** What operators changed, and hosts that are new. */
  async function followOperators(db: Db, seen: FleetVersion): Promise<void> {
    const current = await fleetVersion(db)
    if (current.aggregates !== seen.aggregates) {
      placeOf = await placesOf(db, options.defaultZone)
      table = withPlaces(table, placeOf)
    }
    if (current.services !== seen.services)
      await apply(db, await listSchedulableHosts(db, { changedSince: seen.servicesAt }))
    version = current
  }

  async function readNumbers(db: Db, now: number, part: Part): Promise<void> {
    const known = await apply(db, await listSchedulableHosts(db, rangeOf(part)))
    // A host is gone: seldom enough to begin anew.
    if (known < part.to - part.from) return begin(db, now)
    if (part.from === 0 && part.to >= numbers.length) noteAllRead(now)
  }

  async function readLoads(db: Db, part: Part): Promise<void> {
    for (const [name, { servers, ioOps }] of await loadOfHosts(db, rangeOf(part))) {
      const index = table.indexOf.get(name)
      if (index === undefined) continue
      table.servers[index] = servers
      table.ioOps[index] = ioOps
    }
  }

  async function readDescriptions(db: Db, { from, to }: Part): Promise<void> {
    for (let i = from; i < to; i += descriptionsAtOnce) {
      const part = { from: i, to: Math.min(i + descriptionsAtOnce, to) }
      for (const [name, description] of await describeHosts(db, rangeOf(part))) {
        const index = table.indexOf.get(name)
        if (index !== undefined) describeHost(table, index, description)
      }
    }
  }

  /** With the last that is known also those that have come after it. */
  const rangeOf = ({ from, to }: Part): HostRange => ({
    after: from === 0 ? 0 : numbers[from - 1]!,
    upTo: to >= numbers.length ? Number.MAX_SAFE_INTEGER : numbers[to - 1]!,
  })

  const everything = (): Part => ({ from: 0, to: numbers.length })

  /** Reads what is due of the rounds; all of it at once when nobody has looked for long. */
  async function goRound(db: Db, now: number): Promise<void> {
    const due = isAllDoubted ? everything() : rounds.numbers.next(now, numbers.length)
    if (due) await readNumbers(db, now, due)
    const uncounted = rounds.loads.next(now, numbers.length)
    if (uncounted) await readLoads(db, uncounted)
    const undescribed = rounds.descriptions.next(now, numbers.length)
    if (undescribed) await readDescriptions(db, undescribed)
  }

  let goingRound: Promise<void> | null = null
  function goRoundBeside(db: Db, now: number): void {
    goingRound ??= goRound(db, now)
      // Whoever places next reads all, and hears what is wrong with the store.
      .catch(() => void (isAllDoubted = true))
      .finally(() => (goingRound = null))
  }

  async function ensure(db: Db, now: number): Promise<void> {
    if (!version) return begin(db, now)
    if (isAllDoubted) return readNumbers(db, now, everything())
    if (doubted.size === 0) return
    const names = [...doubted]
    doubted.clear()
    const expected = names.filter((name) => table.indexOf.has(name)).length
    if ((await apply(db, await listSchedulableHosts(db, { names }))) < expected) await begin(db, now)
  }

  return {
    table: () => table,
    follow: async (db, now) => {
      if (!version) return begin(db, now)
      await followOperators(db, version)
      if (options.beside && !isAllDoubted && !rounds.numbers.isAllDue(now)) goRoundBeside(options.beside, now)
      else await goRound(db, now)
    },
    ensure,
    readAll: async (db, now) => {
      if (version && !isAllDoubted && Math.abs(now - allReadAt) < justNowMs) return false
      isAllDoubted = true
      await ensure(db, now)
      return true
    },
    invalidate: (names) => {
      for (const name of names ?? []) doubted.add(name)
      if (!names || doubted.size > doubtedAtMost) isAllDoubted = true
    },
  }
}

type Part = { from: number; to: number }
type PlaceOf = (host: string) => Pick<HostState, 'aggregates' | 'availabilityZone'>

async function placesOf(db: Db, defaultZone: string): Promise<PlaceOf> {
  const byHost = new Map<string, AggregateFacts[]>()
  for (const { name, metadata, hosts } of await listAggregates(db)) {
    const facts = { name, metadata }
    for (const host of hosts) {
      const known = byHost.get(host)
      if (known) known.push(facts)
      else byHost.set(host, [facts])
    }
  }
  return (name) => {
    const aggregates = byHost.get(name) ?? []
    const zone = aggregates.find(({ metadata }) => metadata[zoneKey] !== undefined)?.metadata[zoneKey]
    return { aggregates, availabilityZone: zone ?? defaultZone }
  }
}
