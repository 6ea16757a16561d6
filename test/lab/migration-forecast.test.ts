/** What is foretold of real guests: one that stands still, and one that writes faster than it can be sent. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { forecastOf, type KeptForecast, type MigrationOutcome } from '../../src/model/migration-forecast.ts'
import type { Server } from '../../src/model/server.ts'
import { listSteps } from '../../src/store/action-steps.ts'
import { listActions } from '../../src/store/actions.ts'
import { listMigrations } from '../../src/store/server-migrations.ts'
import { openStage, type Stage } from '../functional/conductor/stage.ts'
import { makeBareGuest, type BareGuest } from '../support/bare-guest.ts'
import { startLabAgents, type LabAgents } from '../support/lab-agents.ts'
import { steerMigration } from '../support/steer-migration.ts'
import { until } from '../support/until.ts'

const mib = 2 ** 20
/** Each of memory and disks may take so much. */
const limitMiBps = 8
const writtenMiB = 64

describe('the forecast of a live migration, of real guests', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-forecast-'))
  let lab: Lab
  let stage: Stage
  let agents: LabAgents
  let still: Server
  let busy: Server

  before(async () => {
    const guests = {
      still: makeBareGuest(join(directory, 'still.qcow2'), 0),
      busy: makeBareGuest(join(directory, 'busy.qcow2'), writtenMiB),
    }
    lab = await startLab({ hosts: 2, directory: join(directory, 'lab') })
    stage = await openStage()
    await stage.startConductor()
    const limits = { bandwidthMiBps: limitMiBps, autoConverge: false }
    const files = Object.fromEntries(Object.values(guests).map(({ image, file }) => [image.id, file]))
    agents = await startLabAgents(lab, stage.bus, join(directory, 'agents'), {
      migration: limits,
      files,
    })
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === 2,
    )
    still = await boot(guests.still)
    busy = await boot(guests.busy)
    await until('the busy guest to write', 60_000, async () => {
      const { dirtyBytesPerSecond } = await hypervisorOf(busy).watchWrites(busy.id, 1)
      return dirtyBytesPerSecond > 2 * limitMiBps * mib || undefined
    })
  })
  after(async () => {
    await agents?.stop()
    await stage?.close()
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function boot({ image }: BareGuest): Promise<Server> {
    const { id } = await stage.create({ image, memoryMiB: 96, rootGiB: 1 })
    await stage.conductor().idle()
    const server = await stage.server(id)
    assert.equal(server.vmState, 'active')
    return server
  }
  const hypervisorOf = ({ host }: Server) => agents.agents.get(host!)!.hypervisor
  async function foretold(server: Server) {
    const measurement = await stage.bus.ask<'migrationMeasurement'>({
      version: 1,
      host: server.host!,
      name: 'migrationMeasurement',
      params: { serverId: server.id },
    })
    return forecastOf(measurement, {
      sharedStorage: false,
      measuredBytesPerSecond: null,
      assumedBytesPerSecond: mib,
    })
  }
  async function begin(server: Server, confirmed?: true): Promise<void> {
    const asked = { host: null, force: false, blockMigration: 'auto', confirmed } as const
    assert.ok(await stage.act(server, 'live-migration', asked, 'migrating'))
  }
  const migration = async ({ id }: Server) => (await listMigrations(stage.store.db, { serverId: id }))[0]!
  const latest = async ({ id }: Server) => (await listActions(stage.store.db, id))![0]!

  it('a guest that stands still arrives, in about the time foretold', async (t) => {
    stage.config.fleet.migrationForecast = 'refuse'
    const forecast = await foretold(still)
    assert.equal(forecast.verdict, 'converges')
    assert.equal(forecast.input.dirtyBytesPerSecond, 0)
    assert.ok(forecast.input.memoryBytes <= 96 * mib)
    assert.ok(forecast.input.diskBytes < 8 * mib, 'what the image holds is not sent')
    await begin(still)
    await stage.conductor().idle()
    assert.equal((await migration(still)).status, 'completed')
    const { forecast: kept, outcome } = (await latest(still)).progress as {
      forecast: KeptForecast
      outcome: MigrationOutcome
    }
    t.diagnostic(
      `foretold ${kept.totalMs} ms with a halt of ${kept.downtimeMs}; took ${outcome.totalMs} with ${outcome.downtimeMs}`,
    )
    assert.equal(kept.verdict, 'converges')
    assert.ok(outcome.memoryBytes > 0 && outcome.downtimeMs !== null)
    // Pages of zeros take next to nothing: no more than foretold, and what the shared machine adds.
    assert.ok(outcome.totalMs <= kept.totalMs! + 20_000)
    still = await stage.server(still.id)
  })

  it('one that writes faster than it can be sent is refused, and stays as it was', async (t) => {
    stage.config.fleet.migrationForecast = 'refuse'
    const { verdict, reason } = await foretold(busy)
    t.diagnostic(reason)
    assert.equal(verdict, 'never')
    await begin(busy)
    await stage.conductor().idle()
    assert.equal((await migration(busy)).status, 'error')
    const steps = await listSteps(stage.store.db, (await latest(busy)).id)
    const refused = steps.find(({ result }) => result === 'Error')
    assert.match(refused?.details ?? '', /is refused, as it would not come to an end/)
    const after = await stage.server(busy.id)
    assert.deepEqual([after.host, after.vmState, after.taskState], [busy.host, 'active', null])
    assert.deepEqual(await findViolations(stage.store.db), [])
  })

  it('and does not arrive in thrice the time that all of its memory takes', async () => {
    stage.config.fleet.migrationForecast = 'warn'
    await begin(busy)
    await until('its memory to be sent', 60_000, async () => {
      const { progress } = await migration(busy)
      return (progress.memoryProcessedBytes ?? 0) > writtenMiB * mib || undefined
    })
    await delay((2000 * writtenMiB) / limitMiBps)
    const { status, id, progress } = await migration(busy)
    assert.equal(status, 'running')
    assert.ok(progress.memoryProcessedBytes! > 1.5 * writtenMiB * mib)
    assert.ok(await steerMigration(stage, busy, 'live_migration_cancel', id))
    await stage.conductor().idle()
    assert.equal((await migration(busy)).status, 'cancelled')
    assert.equal((await stage.server(busy.id)).host, busy.host)
    assert.deepEqual(await findViolations(stage.store.db), [])
  })
})
