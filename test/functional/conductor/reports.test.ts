import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { CensusEntry } from '../../../src/contract/report.ts'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { powerState, type PowerState } from '../../../src/model/server-state.ts'
import type { Server } from '../../../src/model/server.ts'
import { listActions } from '../../../src/store/actions.ts'
import { listHosts } from '../../../src/store/hosts.ts'
import { deleteService, listServices } from '../../../src/store/services.ts'
import { latestFaults } from '../../../src/store/server-faults.ts'
import { updateServer } from '../../../src/store/servers.ts'
import { aFault, startFakeHost, type FakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

const { RUNNING, SHUTDOWN, CRASHED, PAUSED, NOSTATE } = powerState

let stage: Stage
let host: FakeHost

beforeEach(async () => {
  stage = await openStage()
  await stage.startConductor()
  host = await startFakeHost(stage.bus, 'h1')
  await stage.until(async () => (await listServices(stage.store.db, { host: 'h1' })).length > 0)
})
afterEach(() => stage.close())

/** A server of the given state whose guest is in the given power state; nothing is under way. */
async function given(vmState: Server['vmState'], guest: PowerState): Promise<string> {
  const { id } = await stage.create()
  await stage.conductor().idle()
  // Long ago, so that no report is too near to its last change.
  await updateServer(stage.store.db, id, { vmState }, Date.now() - 60_000)
  if (guest === NOSTATE) host.guests.delete(id)
  else host.guests.set(id, guest)
  return id
}

async function power(serverId: string, seen: PowerState): Promise<void> {
  await stage.bus.report({
    version: 1,
    type: 'power',
    host: 'h1',
    at: Date.now(),
    serverId,
    powerState: seen,
    cause: 'test',
  })
}

async function census(entries: Partial<CensusEntry>[]): Promise<void> {
  const servers = entries.map((entry) => ({
    serverId: 'none',
    powerState: RUNNING,
    hasDomain: true,
    hasDisk: true,
    busy: false,
    ...entry,
  }))
  await stage.bus.report({ version: 1, type: 'census', host: 'h1', at: Date.now(), servers })
}

/** Long enough for a report to have been worked in, when the test is that nothing happens. */
const quiet = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 60)
  })

describe('reports of power states', { timeout: 30_000 }, () => {
  const changes = [
    ['active', SHUTDOWN, 'stopped', SHUTDOWN],
    ['active', CRASHED, 'stopped', SHUTDOWN],
    ['active', PAUSED, 'active', PAUSED],
    ['paused', SHUTDOWN, 'stopped', SHUTDOWN],
    ['stopped', RUNNING, 'stopped', SHUTDOWN],
    ['error', SHUTDOWN, 'error', SHUTDOWN],
    ['suspended', SHUTDOWN, 'suspended', SHUTDOWN],
  ] as const
  for (const [vm, seen, vmAfter, powerAfter] of changes) {
    it(`${vm} seen as ${seen}: ${vmAfter} with ${powerAfter}`, async () => {
      const id = await given(vm, seen)
      await power(id, seen)
      await stage.until(async () => {
        const server = await stage.server(id)
        return server.vmState === vmAfter && server.powerState === powerAfter && server.taskState === null
      })
      await stage.conductor().idle()
      assert.deepEqual(await findViolations(stage.store.db), [])
    })
  }

  it('that are out of date change nothing', async () => {
    const id = await given('active', RUNNING)
    await power(id, SHUTDOWN)
    await quiet()
    assert.equal((await stage.server(id)).vmState, 'active')
  })

  it('of a server that is on another host or under way are passed over', async () => {
    const id = await given('active', SHUTDOWN)
    await updateServer(stage.store.db, id, { host: 'h2' }, Date.now())
    await power(id, SHUTDOWN)
    await quiet()
    assert.equal((await stage.server(id)).vmState, 'active')
    await updateServer(stage.store.db, id, { host: 'h1', taskState: 'powering-off' }, Date.now())
    await power(id, SHUTDOWN)
    await quiet()
    assert.equal((await stage.server(id)).vmState, 'active')
  })
})

describe('a census', { timeout: 30_000 }, () => {
  it('brings servers in line with their guests', async () => {
    const off = await given('active', SHUTDOWN)
    const noDomain = await given('active', NOSTATE)
    await census([
      { serverId: off, powerState: SHUTDOWN },
      { serverId: noDomain, hasDomain: false, powerState: SHUTDOWN },
    ])
    await stage.until(async () => (await stage.server(off)).vmState === 'stopped')
    await stage.until(async () => (await stage.server(noDomain)).vmState === 'stopped')
  })

  it('taken right after a change is asked about once more: what has crashed since is seen off', async () => {
    const { id } = await stage.create()
    const { id: other } = await stage.create()
    await stage.conductor().idle()
    // The host went down and came back within seconds of the builds; of the other the census is out of date.
    host.guests.set(id, SHUTDOWN)
    await census([
      { serverId: id, powerState: SHUTDOWN },
      { serverId: other, powerState: SHUTDOWN },
    ])
    await stage.until(async () => (await stage.server(id)).vmState === 'stopped')
    assert.equal((await stage.server(other)).vmState, 'active')
  })

  it('puts a server in ERROR that has nothing left on its host', async () => {
    const lost = await given('active', NOSTATE)
    await census([])
    await stage.until(async () => (await stage.server(lost)).vmState === 'error')
    const fault = (await latestFaults(stage.store.db, [lost])).get(lost)
    assert.match(fault!.message, /neither a domain nor a disk/)
  })

  it('that misses a server although its guest is there changes nothing', async () => {
    const id = await given('active', RUNNING)
    await census([])
    await quiet()
    assert.equal((await stage.server(id)).vmState, 'active')
  })

  it('removes what is left of a deleted server, and only that', async () => {
    const id = await given('active', RUNNING)
    await stage.act(await stage.server(id), 'delete', {}, 'deleting')
    await stage.conductor().idle()
    host.guests.set(id, RUNNING)
    host.guests.set('stranger', RUNNING)
    const elsewhere = await given('active', RUNNING)
    await updateServer(stage.store.db, elsewhere, { host: 'h2' }, Date.now() - 60_000)
    await census([{ serverId: id }, { serverId: 'stranger' }, { serverId: elsewhere }])
    await stage.until(() => !host.guests.has(id))
    await quiet()
    assert.ok(host.guests.has('stranger'))
    assert.ok(host.guests.has(elsewhere))
  })

  it('removes what is left of a build that was given up there', async () => {
    host.fault = () => aFault('other-host')
    const { id } = await stage.create()
    await stage.until(async () => (await stage.server(id)).vmState === 'error')
    host.fault = null
    host.guests.set(id, RUNNING)
    await census([{ serverId: id }])
    await stage.until(() => !host.guests.has(id))
  })

  it('passes over what the host is busy with', async () => {
    const id = await given('active', SHUTDOWN)
    await census([{ serverId: id, powerState: SHUTDOWN, busy: true }])
    await quiet()
    assert.equal((await stage.server(id)).vmState, 'active')
  })
})

describe('heartbeats', { timeout: 30_000 }, () => {
  it('make hosts and services known, with the capacity that the ratios allow', async () => {
    host.description.vcpus = { total: 10, reserved: 2, allocationRatio: 4 }
    await host.report()
    await stage.until(async () => (await listHosts(stage.store.db))[0]?.capacity.vcpus === 32)
    const binaries = (await listServices(stage.store.db)).map((service) => service.binary)
    assert.deepEqual(binaries.sort(), ['nova-compute', 'nova-conductor', 'nova-scheduler'])
  })

  it('bring back a service that was deleted while its host lives', async () => {
    const [service] = await listServices(stage.store.db, { host: 'h1' })
    await deleteService(stage.store.db, service!.id)
    await host.report()
    await stage.until(async () => (await listServices(stage.store.db, { host: 'h1' })).length === 1)
  })

  it('are written together: many of one host are one write', async () => {
    const [before] = await listServices(stage.store.db, { host: 'h1' })
    await stage.until(async () => {
      for (let i = 0; i < 50; i += 1) await host.report()
      const [service] = await listServices(stage.store.db, { host: 'h1' })
      return service!.lastSeenAt > before!.lastSeenAt
    })
    const [after] = await listServices(stage.store.db, { host: 'h1' })
    assert.equal(after!.updatedAt, before!.updatedAt, 'a heartbeat is no change by an operator')
  })
})

describe('two conductors', { timeout: 30_000 }, () => {
  it("take over each other's actions when the lease has run out", async () => {
    await stage.conductor().stop()
    stage.config.conductor.leaseSeconds = 1
    const { createConductor } = await import('../../../src/conductor/conductor.ts')
    const { systemClock } = await import('../../../src/base/clock.ts')
    const { silentLogger } = await import('../../../src/base/logging.ts')
    const one = await stage.startConductor({ crashAt: 'create:spawn:answered' })
    const two = createConductor({
      store: stage.store,
      bus: stage.bus,
      clock: systemClock,
      log: silentLogger(),
      config: stage.config,
      id: 'two',
    })
    await host.report()
    const { id } = await stage.create()
    await one.idle()
    try {
      assert.equal((await stage.server(id)).taskState, 'spawning')
      await two.start()
      await stage.until(async () => (await stage.server(id)).vmState === 'active')
      assert.equal(host.carriedOut.length, 1)
      assert.equal((await listActions(stage.store.db, id))![0]!.state, 'done')
    } finally {
      // One that ticks on would keep the test's process alive.
      await two.stop()
    }
  })
})
