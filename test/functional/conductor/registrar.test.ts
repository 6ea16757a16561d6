import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { defaultConfig } from '../../../src/base/config.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import type { ConductorContext } from '../../../src/conductor/context.ts'
import { createGroupWriter } from '../../../src/conductor/group-writer.ts'
import { createRegistrar, type Registrar } from '../../../src/conductor/reports/registrar.ts'
import type { HostDescription } from '../../../src/model/host.ts'
import { deleteHost, getHost, listHosts } from '../../../src/store/hosts.ts'
import { deleteService, listServices } from '../../../src/store/services.ts'
import type { Store } from '../../../src/store/store.ts'
import { aDescription } from '../../support/scheduler-bed.ts'
import { openTestStore } from '../../support/test-store.ts'

let directory: string
let store: Store
let registrar: Registrar
let now: number
const minute = 60_000

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-registrar-'))
  store = await openTestStore(join(directory, 'lodge.db'))
  now = 1_800_000_000_000
  registrar = newRegistrar()
})
afterEach(async () => {
  await registrar.stop()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

function newRegistrar(): Registrar {
  const clock: Clock = { now: () => now, sleep: async () => {} }
  const hosts = { seen: () => {}, described: () => {} }
  return createRegistrar({
    store,
    writer: createGroupWriter(store, () => {}),
    clock,
    hosts,
    log: silentLogger(),
    config: defaultConfig,
  } as unknown as ConductorContext)
}

async function hear(
  milliseconds: number,
  descriptions: HostDescription[],
  alive: string[] = [],
): Promise<void> {
  now += milliseconds
  for (const description of descriptions) {
    registrar.alive(description.name)
    registrar.take({ version: 1, type: 'host', host: description.name, at: now, description })
  }
  for (const name of alive) registrar.alive(name)
  await registrar.flush(now)
}

const uptimeAt = (seconds: number): Partial<HostDescription> => ({ uptimeSeconds: seconds })
const written = async (name: string): Promise<HostDescription> => (await getHost(store.db, name))!.description
const seenAt = async (host: string): Promise<number | undefined> =>
  (await listServices(store.db, { binary: 'nova-compute', host }))[0]?.lastSeenAt

describe('the registrar', () => {
  it('makes many hosts known at once, and has seen each', async () => {
    const names = Array.from({ length: 730 }, (_, index) => `h${index}`)
    await hear(
      0,
      names.map((name) => aDescription(name)),
    )
    assert.equal((await listHosts(store.db)).length, 730)
    assert.deepEqual(
      new Set((await listServices(store.db, { binary: 'nova-compute' })).map(({ host }) => host)),
      new Set(names),
    )
    await hear(10_000, [], names)
    assert.equal(await seenAt('h729'), now)
  })

  it('does not write what stays the same, whatever the clock says', async () => {
    await hear(0, [aDescription('h', uptimeAt(100))])
    await store.db.updateTable('hosts').set({ description_json: '{"name":"untouched"}' }).execute()
    for (let i = 1; i <= 5; i += 1) await hear(minute, [aDescription('h', uptimeAt(100 + i * 60))])
    assert.equal((await written('h')).name, 'untouched')
    assert.equal(await seenAt('h'), now)
  })

  it('writes what is measured once a minute, and what a host is at once', async () => {
    const load = (first: number): Partial<HostDescription> => ({ loadAverage: [first, 0, 0] })
    await hear(0, [aDescription('h', { ...load(1), ...uptimeAt(100) })])
    await hear(30_000, [aDescription('h', { ...load(2), ...uptimeAt(130) })])
    assert.equal((await written('h')).loadAverage[0], 1)
    await hear(30_000, [aDescription('h', { ...load(3), ...uptimeAt(160) })])
    assert.equal((await written('h')).loadAverage[0], 3)
    await hear(1000, [
      aDescription('h', {
        ...load(4),
        ...uptimeAt(161),
        vcpus: { total: 9, reserved: 0, allocationRatio: 1 },
      }),
    ])
    assert.equal((await written('h')).vcpus.total, 9)
    assert.equal((await getHost(store.db, 'h'))!.capacity.vcpus, 9)
  })

  it('knows when a host was booted, over reports that round, and that it was booted again', async () => {
    await hear(0, [aDescription('h', uptimeAt(100))])
    const { bootedAt } = await written('h')
    assert.equal(bootedAt, now - 100_000)
    await hear(minute + 900, [aDescription('h', { ...uptimeAt(160), diskFreeGiB: 1 })])
    assert.equal((await written('h')).diskFreeGiB, 1)
    assert.equal((await written('h')).bootedAt, bootedAt)
    await hear(1000, [aDescription('h', { ...uptimeAt(3), diskFreeGiB: 1 })])
    assert.equal((await written('h')).bootedAt, now - 3000)
  })

  it('brings back a host that was deleted while it lives, once it says what it is', async () => {
    await hear(0, [aDescription('h'), aDescription('other')])
    const [service] = await listServices(store.db, { binary: 'nova-compute', host: 'h' })
    await deleteService(store.db, service!.id)
    await deleteHost(store.db, 'h')
    await hear(10_000, [], ['h', 'other'])
    assert.deepEqual([await seenAt('h'), await seenAt('other')], [undefined, now])
    await hear(10_000, [aDescription('h')], ['other'])
    assert.deepEqual([await seenAt('h'), await seenAt('other')], [now, now])
    assert.equal((await written('h')).name, 'h')
  })

  it('leaves alone what another controller has just written, unless the clock was set back', async () => {
    await hear(0, [aDescription('h')])
    const other = newRegistrar()
    now += 10_000
    other.alive('h')
    await other.flush(now)
    await other.stop()
    const before = now
    await hear(1000, [], ['h'])
    assert.equal(await seenAt('h'), before)
    await hear(-minute, [], ['h'])
    assert.equal(await seenAt('h'), now)
  })
})
