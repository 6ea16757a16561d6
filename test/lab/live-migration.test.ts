/** A guest that counts on its console goes round the hosts of a lab, through conductor, agents, libvirt and QEMU. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import type { Server } from '../../src/model/server.ts'
import { powerState } from '../../src/model/server-state.ts'
import { listMigrations } from '../../src/store/server-migrations.ts'
import { openStage, type Stage } from '../functional/conductor/stage.ts'
import { startLabAgents, type LabAgents } from '../support/lab-agents.ts'
import { steerMigration } from '../support/steer-migration.ts'
import { until } from '../support/until.ts'

const names = ['host1', 'host2', 'host3']
const rounds = 6

describe('live migration in a lab', { timeout: 400_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-live-'))
  let lab: Lab
  let stage: Stage
  let agents: LabAgents
  let server: Server

  before(async () => {
    lab = await startLab({ hosts: names.length, directory: join(directory, 'lab') })
    stage = await openStage()
    await stage.startConductor()
    agents = await startLabAgents(lab, stage.bus, join(directory, 'agents'))
    await stage.until(
      async () => (await stage.store.db.selectFrom('hosts').select('id').execute()).length === names.length,
    )
    const { id } = await stage.create({ image: agents.image, memoryMiB: 128, rootGiB: 1 })
    await stage.conductor().idle()
    server = await stage.server(id)
    assert.equal(server.vmState, 'active')
    await untilTick(0)
  })
  after(async () => {
    await agents?.stop()
    await stage?.close()
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** The last number that the guest has counted to, by the console's log of the host that it is on. */
  async function lastTick(): Promise<number> {
    const text = await agents.agents.get(server.host!)!.disks.readConsole(server.id, null)
    return Number([...text.matchAll(/tick (\d+)/g)].at(-1)?.[1] ?? -1)
  }
  const untilTick = (beyond: number): Promise<number> =>
    until(`a tick beyond ${beyond}`, 90_000, async () => {
      const tick = await lastTick()
      return tick > beyond ? tick : undefined
    })
  const migration = async () => (await listMigrations(stage.store.db, { serverId: server.id }))[0]!

  async function homes(): Promise<string[]> {
    const found: string[] = []
    for (const [name, { hypervisor }] of agents.agents)
      if (await hypervisor.findDomain(server.id)) found.push(name)
    return found
  }
  async function diskHomes(): Promise<string[]> {
    const found: string[] = []
    for (const [name, { disks }] of agents.agents)
      if ((await disks.list()).includes(server.id)) found.push(name)
    return found
  }
  async function begin(host: string): Promise<void> {
    const asked = { host, force: false, blockMigration: 'auto' } as const
    assert.ok(await stage.act(server, 'live-migration', asked, 'migrating'))
  }
  /** Where everything says that the server is. */
  async function assertAt(host: string): Promise<void> {
    assert.deepEqual(await findViolations(stage.store.db), [])
    server = await stage.server(server.id)
    assert.deepEqual(
      [server.host, server.vmState, server.taskState, server.powerState],
      [host, 'active', null, powerState.RUNNING],
    )
    assert.deepEqual(await homes(), [host])
    assert.deepEqual(await diskHomes(), [host])
    const rows = await stage.store.db.selectFrom('allocations').select('host').execute()
    assert.deepEqual(
      rows.map((row) => row.host),
      [host],
    )
  }

  it('goes round the hosts, and the guest counts on', async (t) => {
    let tick = await lastTick()
    for (let round = 1; round <= rounds; round += 1) {
      const next = names[(names.indexOf(server.host!) + 1) % names.length]!
      const started = performance.now()
      await begin(next)
      await stage.conductor().idle()
      t.diagnostic(`to ${next}: ${Math.round(performance.now() - started)} ms`)
      await assertAt(next)
      assert.equal((await migration()).status, 'completed')
      const later = await untilTick(tick)
      assert.ok(later - tick <= 4, `it counted from ${tick} to ${later}`)
      tick = later
    }
  })

  it('stays where it is when the migration is aborted, and runs on', async () => {
    const source = server.host!
    const dest = names.find((name) => name !== source)!
    const { host } = agents.agents.get(dest)!
    const tick = await lastTick()
    // A link that is cut holds the copying up for as long as it lasts.
    await begin(dest)
    await until(
      'the migration to run',
      30_000,
      async () => (await migration()).status === 'running' || undefined,
    )
    await host.cut()
    await delay(300)
    assert.ok(await steerMigration(stage, server, 'live_migration_cancel', (await migration()).id))
    await delay(1000)
    await host.mend()
    await stage.conductor().idle()
    const { status } = await migration()
    // The cut may have come too late.
    assert.ok(['cancelled', 'failed', 'completed'].includes(status), status)
    await assertAt(status === 'completed' ? dest : source)
    assert.ok((await untilTick(tick)) > tick)
  })
})
