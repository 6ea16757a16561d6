/** What is foretold of a live migration, before one asks and when one does, over simulated hosts. */
import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import { after, before, beforeEach, describe, it } from 'node:test'
import { computeRoutes } from '../../src/api/compute/compute-routes.ts'
import { createApi } from '../../src/api/http.ts'
import { lodgeRoutes } from '../../src/api/lodge/routes.ts'
import type { Caller } from '../../src/api/common/route.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Server } from '../../src/model/server.ts'
import { listSteps } from '../../src/store/action-steps.ts'
import { listActions } from '../../src/store/actions.ts'
import { measuredBandwidth } from '../../src/store/migration-bandwidth.ts'
import { listMigrations } from '../../src/store/server-migrations.ts'
import { startSimulatedHosts, type SimulatedHosts } from '../support/simulated-hosts.ts'
import { openStage, type Stage } from './conductor/stage.ts'

const names = ['h1', 'h2', 'h3']
const mib = 2 ** 20

describe('the forecast of a live migration', { timeout: 60_000 }, () => {
  let stage: Stage
  let hosts: SimulatedHosts
  let app: FastifyInstance
  let server: Server

  before(async () => {
    stage = await openStage()
    await stage.startConductor()
    hosts = await startSimulatedHosts(stage.bus, names, {
      migration: { ...stage.config.agent.migration, autoConverge: false, bandwidthMiBps: 20 },
    })
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === names.length,
    )
    app = api(stage)
  })
  after(async () => {
    await app.close()
    await hosts.stop()
    await stage.close()
  })
  beforeEach(async () => {
    stage.config.fleet.migrationForecast = 'off'
    const { id } = await stage.create({ memoryMiB: 128 })
    await stage.conductor().idle()
    server = await stage.server(id)
    assert.equal(server.vmState, 'active')
  })

  const guest = () => hosts.hypervisor(server.host!).guest(server.id)
  const elsewhere = (): string => names.find((name) => name !== server.host)!
  async function ask(path: string, token = 'admin') {
    const answer = await app.inject({ url: `/lodge/v1${path}`, headers: { 'x-auth-token': token } })
    return { status: answer.statusCode, body: JSON.parse(answer.body) }
  }
  async function foretold(host = elsewhere()) {
    const { status, body } = await ask(`/servers/${server.id}/migration-forecast?host=${host}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body.migration_forecast
  }
  async function migrate(headers: Record<string, string> = {}): Promise<Server> {
    const { statusCode, body } = await app.inject({
      method: 'POST',
      url: `/compute/v2.1/servers/${server.id}/action`,
      headers: { 'x-auth-token': 'admin', 'openstack-api-version': 'compute 2.34', ...headers },
      payload: { 'os-migrateLive': { host: null, block_migration: 'auto' } },
    })
    assert.equal(statusCode, 202, body)
    await stage.conductor().idle()
    assert.deepEqual(await findViolations(stage.store.db), [])
    return stage.server(server.id)
  }
  const latest = async () => (await ask(`/servers/${server.id}/live-migrations`)).body.live_migrations[0]
  const events = async () => {
    const [action] = (await listActions(stage.store.db, server.id))!
    return (await listSteps(stage.store.db, action!.id)).map(({ event, result }) => `${event} ${result}`)
  }

  it('tells of an idle guest that it comes to an end, and what it was made of', async () => {
    assert.deepEqual(await foretold(), {
      server_id: server.id,
      source_host: server.host,
      dest_host: elsewhere(),
      verdict: 'converges',
      aid: null,
      reason: 'What is sent gets ahead of what the guest writes.',
      // A GiB of disk and 128 MiB of memory at 20 MiB/s.
      total_ms: 51_200 + 6400 + 100,
      downtime_ms: 100,
      throttle_percent: null,
      memory: { bytes: 128 * mib, dirty_bytes_per_second: 0 },
      disk: { bytes: 1024 * mib, written_bytes_per_second: 0 },
      bandwidth: { bytes_per_second: 20 * mib, source: 'limit' },
    })
    assert.equal((await listMigrations(stage.store.db, { serverId: server.id })).length, 0)
  })

  it('tells of a guest that writes too fast that it does not', async () => {
    guest().behave({ writes: { memoryMiBps: 60, diskMiBps: 0 } })
    const { verdict, total_ms, reason } = await foretold()
    assert.deepEqual([verdict, total_ms], ['never', null])
    assert.match(reason, /writes 60\.0 MiB\/s to its memory, and 20\.0 MiB\/s can be sent/)
    guest().behave({ writes: { memoryMiBps: 0, diskMiBps: 30 } })
    assert.match((await foretold()).reason, /to its disks/)
  })

  it('answers whoever asks wrongly with what is wrong', async () => {
    const path = `/servers/${server.id}/migration-forecast`
    assert.equal((await ask(path, 'member')).status, 403)
    assert.equal((await ask(`${path}?host=nowhere`)).status, 400)
    assert.equal((await ask(`${path}?host=${server.host}`)).status, 400)
    assert.equal((await ask('/servers/nobody/migration-forecast')).status, 404)
    assert.ok(await stage.act(server, 'stop', {}, 'powering-off'))
    await stage.conductor().idle()
    const { status, body } = await ask(path)
    assert.equal(status, 409)
    assert.match(JSON.stringify(body), /is stopped/)
  })

  it('is not asked for by a migration unless the setting says so', async () => {
    const moved = await migrate()
    assert.notEqual(moved.host, server.host)
    const { forecast, outcome } = await latest()
    assert.equal(forecast, null)
    assert.equal(outcome.memory_bytes, 128 * mib)
    assert.ok(!(await events()).some((event) => event.startsWith('lodge_forecast')))
  })

  it('is kept with the migration, beside how it went', async () => {
    stage.config.fleet.migrationForecast = 'warn'
    guest().behave({ writes: { memoryMiBps: 60, diskMiBps: 0 } })
    const moved = await migrate()
    assert.notEqual(moved.host, server.host)
    const { status, source_host, dest_host, forecast, outcome } = await latest()
    assert.deepEqual([status, source_host, dest_host], ['completed', server.host, moved.host])
    assert.equal(forecast.verdict, 'never')
    assert.equal(forecast.memory.dirty_bytes_per_second, 60 * mib)
    assert.ok(outcome.total_ms >= 0)
    assert.ok((await events()).includes('lodge_forecast_live_migration Success'))
  })

  it('refuses a migration without an end, which says why and leaves the server as it was', async () => {
    stage.config.fleet.migrationForecast = 'refuse'
    guest().behave({ writes: { memoryMiBps: 60, diskMiBps: 0 } })
    const stayed = await migrate()
    assert.deepEqual([stayed.host, stayed.vmState, stayed.taskState], [server.host, 'active', null])
    const { status, forecast, outcome } = await latest()
    assert.deepEqual([status, forecast.verdict, outcome], ['error', 'never', null])
    const [action] = (await listActions(stage.store.db, server.id))!
    assert.equal(action!.state, 'failed')
    const refused = (await listSteps(stage.store.db, action!.id)).find(({ result }) => result === 'Error')
    assert.equal(refused?.event, 'lodge_judge_live_migration')
    assert.match(refused?.details ?? '', /is refused.*writes 60\.0 MiB\/s/)
    assert.deepEqual(await hosts.homesOf(server.id), [server.host])
    assert.deepEqual(await hosts.disksOf(server.id), [server.host])
    const rows = await stage.store.db
      .selectFrom('allocations')
      .select('host')
      .where('server_id', '=', server.id)
      .execute()
    assert.deepEqual(
      rows.map(({ host }) => host),
      [server.host],
    )
  })

  it('moves it all the same once that is confirmed, and lets those pass that come to an end', async () => {
    stage.config.fleet.migrationForecast = 'refuse'
    guest().behave({ writes: { memoryMiBps: 60, diskMiBps: 0 } })
    const moved = await migrate({ 'x-lodge-confirm': 'forecast' })
    assert.notEqual(moved.host, server.host)
    server = moved
    guest().behave({ writes: { memoryMiBps: 1, diskMiBps: 0 } })
    assert.notEqual((await migrate()).host, server.host)
  })

  it('a host that cannot measure holds nothing up', async () => {
    stage.config.fleet.migrationForecast = 'refuse'
    const error = new LodgeError('notImplemented', 'too old')
    hosts.hypervisor(server.host!).fail('watchWrites', { times: 1, error })
    assert.notEqual((await migrate()).host, server.host)
    assert.equal((await latest()).forecast, null)
  })

  it('learns the bandwidth between two hosts from what they have done', async () => {
    hosts.setMigrationMs(1000)
    const source = server.host!
    const dest = (await migrate()).host!
    hosts.setMigrationMs(20)
    const { id } = await stage.create({ memoryMiB: 128 })
    await stage.conductor().idle()
    server = await stage.server(id)
    for (let hops = 0; server.host !== source; hops += 1) {
      assert.ok(hops < 20)
      server = await migrate()
    }
    const { bandwidth } = await foretold(dest)
    // No more than the limit of 20, whatever was measured: 128 MiB in a second, or at once.
    assert.deepEqual(bandwidth, { bytes_per_second: 20 * mib, source: 'limit' })
    assert.ok((await measuredBandwidth(stage.store.db, source, dest))! >= 100 * mib)
    assert.equal(await measuredBandwidth(stage.store.db, 'nowhere', null), null)
  })
})

function api({ store, bus, config, conductor }: Stage): FastifyInstance {
  const none = (): never => {
    throw new LodgeError('unavailable', 'There are no images in this test.')
  }
  const services = {
    store,
    config,
    clock: systemClock,
    log: silentLogger(),
    wake: () => conductor().wake(),
    ask: bus.ask,
    imageFiles: { write: none, read: none, path: none, remove: async () => {} },
  }
  const caller = (roles: string[]): Caller => ({
    userId: 'user',
    userName: 'someone',
    projectId: 'project',
    projectName: 'somewhere',
    roles,
    isAdmin: roles.includes('admin'),
    token: 'token',
  })
  return createApi(
    services,
    { identity: [], compute: computeRoutes(services), image: [], network: [], lodge: lodgeRoutes(services) },
    async (_services, token) => caller(token === 'admin' ? ['admin', 'manager', 'member'] : ['member']),
  )
}
