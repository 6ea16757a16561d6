/**
 * The scheduler with its claims, as a conductor runs it, on SQLite and on PostgreSQL that both wait for their disk: a
 * placement is the choice among all hosts, the claim, and the reasons that are kept, and ends when they are on disk.
 *
 * `alone`: one at a time, the next when the last is done. `at 500/s`: they come by the clock whatever became of the
 * former, and each is timed from the moment when it was due. `at most`: a lot of them always waits.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger } from '../../src/base/logging.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { startPrivatePostgres, type PrivatePostgres } from '../support/private-postgres.ts'
import { sampleOf, timed, type Sample } from './measure.ts'
import { addHosts, createPlacer, overCommitted, vcpusOfServer, type Placer } from './placement-bed.ts'
import type { Claimed } from './placement-claimer.ts'
import type { Row } from './row.ts'

const fewHosts = [100, 1000]
const manyHosts = 10_000
const warmUp = 300
const alone = 1000
const perSecond = 500
const byTheClock = 1500
const atMost = 3000
const waiting = 64
const claimers = 8
const claimsEach = 250
/** Each takes two vCPUs of a host's eight: with so few hosts eight controllers run into each other all the time. */
const crowdedHosts = 50

export async function placementSection(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-placement-'))
  const postgres = await startPrivatePostgres({ durable: true })
  const kinds: [string, (name: string) => Promise<Store>][] = [
    ['SQLite', (name) => openSqliteStore({ path: join(directory, `${name}.db`) })],
    ['PostgreSQL', async () => openPostgresStore({ url: await postgres.database(), log: silentLogger() })],
  ]
  try {
    const rows: Row[] = []
    for (const [kind, open] of kinds) {
      for (const hosts of [...fewHosts, manyHosts]) {
        const store = await open(String(hosts))
        try {
          await addHosts(store, hosts)
          rows.push(...(await placementsIn(store, `${kind}, ${hosts.toLocaleString('en')} hosts`, hosts)))
        } finally {
          await store.close()
        }
      }
    }
    rows.push(
      ...(await crowdOf(postgres, 'in use', manyHosts)),
      ...(await crowdOf(postgres, 'small', crowdedHosts)),
    )
    return rows
  } finally {
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The promise is about many hosts; fewer are there to show how cost grows. */
async function placementsIn(store: Store, among: string, hosts: number): Promise<Row[]> {
  const placer = createPlacer(store)
  const isPromised = hosts === manyHosts
  const p99Promise = isPromised ? ({ kind: 'at most', value: 5 } as const) : null
  // Few hosts are full too soon.
  const scale = isPromised ? 1 : Math.min(1, hosts / 2000)
  await placer.prepare()
  await oneByOne(placer, Math.ceil(warmUp * scale))
  const single = await oneByOne(placer, Math.ceil(alone * scale))
  const rows = [
    row(`a placement alone, median: ${among}`, single.median, 'ms', p99Promise, single.count),
    row('the same, p99', single.p99, 'ms', p99Promise, single.count),
  ]
  if (isPromised) {
    const offered = await atRate(placer, perSecond, byTheClock)
    rows.push(
      row(`a placement at ${perSecond}/s, median`, offered.median, 'ms', p99Promise, offered.count),
      row('the same, p99', offered.p99, 'ms', p99Promise, offered.count),
    )
  }
  const count = Math.ceil(atMost * scale)
  const before = process.cpuUsage()
  const milliseconds = await timed(() => always(placer, count))
  const { user, system } = process.cpuUsage(before)
  rows.push(
    row(
      'placements at most',
      (count / milliseconds) * 1000,
      '/s',
      isPromised ? { kind: 'at least', value: 1000 } : null,
      count,
    ),
    row("our own processor's time for each", (user + system) / 1000 / count, 'ms', null, count),
  )
  return rows
}

async function oneByOne(placer: Placer, count: number): Promise<Sample> {
  const times: number[] = []
  for (let i = 0; i < count; i += 1) times.push(await timed(() => placed(placer)))
  return sampleOf(times)
}

/** Begins each when it is due, even when all former ones still wait. */
async function atRate(placer: Placer, rate: number, count: number): Promise<Sample> {
  const times: number[] = []
  const under: Promise<void>[] = []
  const start = performance.now() + 50
  for (let i = 0; i < count; i += 1) {
    const due = start + (i * 1000) / rate
    while (performance.now() < due) await delay(Math.max(0, due - performance.now() - 1))
    under.push(placed(placer).then(() => void times.push(performance.now() - due)))
  }
  await Promise.all(under)
  return sampleOf(times)
}

async function always(placer: Placer, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: waiting }, async () => {
      while (left-- > 0) await placed(placer)
    }),
  )
}

/** @throws RangeError when nothing fits: the figures would be those of something else. */
async function placed(placer: Placer): Promise<void> {
  if ((await placer.place()) === null) throw new RangeError('no host fits any more')
}

/** Eight controllers, each a process, on one PostgreSQL; where hosts are few they are filled to the last. */
async function crowdOf(postgres: PrivatePostgres, kind: 'in use' | 'small', hosts: number): Promise<Row[]> {
  const url = await postgres.database()
  const store = await openPostgresStore({ url, log: silentLogger() })
  try {
    await addHosts(store, hosts, kind)
    const { claimed, milliseconds } = await claimTogether(url)
    const placedInAll = claimed.reduce((sum, one) => sum + one.placed, 0)
    const room = (hosts * 8) / vcpusOfServer
    const expected = kind === 'small' ? room : claimers * claimsEach
    if (placedInAll !== expected)
      throw new RangeError(`${placedInAll} servers were placed where ${expected} should have been`)
    const over = ((await overCommitted(store)) / hosts) * 100
    const among = `${hosts.toLocaleString('en')} hosts`
    const promise = { kind: 'at most', value: 0 } as const
    const rows = [
      row(
        `hosts over-committed by ${claimers} controllers at once among ${among}`,
        over,
        '%',
        promise,
        placedInAll,
      ),
    ]
    if (kind === 'in use')
      rows.push(
        row('their placements together', (placedInAll / milliseconds) * 1000, '/s', null, placedInAll),
      )
    return rows
  } finally {
    await store.close()
  }
}

async function claimTogether(url: string): Promise<{ claimed: Claimed[]; milliseconds: number }> {
  const program = join(import.meta.dirname, 'placement-claimer.ts')
  const children = Array.from({ length: claimers }, () => fork(program, [url, String(claimsEach)]))
  try {
    const answers = (): Promise<unknown[]> =>
      Promise.all(
        children.map(
          (child) =>
            new Promise((resolve, reject) => {
              child.once('message', resolve)
              child.once('exit', (code) => reject(new RangeError(`a claimer ended with status ${code}`)))
            }),
        ),
      )
    await answers()
    let claimed: Claimed[] = []
    const milliseconds = await timed(async () => {
      const done = answers()
      for (const child of children) child.send('go')
      claimed = (await done) as Claimed[]
    })
    return { claimed, milliseconds }
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  }
}

const row = (
  what: string,
  lodge: number,
  unit: Row['unit'],
  promise: Row['promise'],
  count: number,
): Row => ({ what, raw: null, lodge, unit, promise, count })
