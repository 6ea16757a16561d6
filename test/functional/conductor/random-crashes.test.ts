import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LodgeError } from '../../../src/base/errors.ts'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { powerState } from '../../../src/model/server-state.ts'
import type { Server } from '../../../src/model/server.ts'
import { latestFaults } from '../../../src/store/server-faults.ts'
import { aFault, startFakeHost, type FakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

const seeds = [1, 2, 3, 4, 5, 6]
const lives = 10

describe('conductors that die again and again in the middle of everything', { timeout: 120_000 }, () => {
  for (const seed of seeds) {
    it(`leave every server in a state of rest (seed ${seed})`, async () => {
      const random = createRandom(seed)
      const stage = await openStage((config) => {
        config.scheduler.maxAttempts = 2
      })
      try {
        const hosts: FakeHost[] = []
        for (const name of ['h1', 'h2', 'h3']) {
          const host = await startFakeHost(stage.bus, name)
          host.fault = () => (random() < 0.1 ? aFault(random() < 0.5 ? 'other-host' : 'never') : undefined)
          hosts.push(host)
        }
        const servers: Server[] = []
        let interrupted = 0
        for (let life = 0; life < lives; life += 1) {
          await stage.startConductor({ failpoint: dieAfter(Math.floor(random() * 40)) })
          for (const host of hosts) await host.report()
          for (let i = 0; i < 4; i += 1) servers.push(await stage.create())
          for (let i = 0; i < 4; i += 1) await actAtRandom(stage, servers, random)
          await stage.conductor().idle()
          await stage.conductor().stop()
          interrupted += await liveActions(stage)
        }
        assert.ok(interrupted > 0, 'some actions were cut off')
        await stage.startConductor()
        await stage.conductor().idle()
        await assertAtRest(stage, servers, hosts)
      } finally {
        await stage.close()
      }
    })
  }
})

async function liveActions(stage: Stage): Promise<number> {
  const { db } = stage.store
  return (await db.selectFrom('actions').select('id').where('finished_at', 'is', null).execute()).length
}

/** Every point passed after the first `count` is a crash. */
function dieAfter(count: number): () => void {
  return () => {
    count -= 1
    if (count < 0) throw new LodgeError('gone', 'crashed')
  }
}

async function actAtRandom(stage: Stage, servers: Server[], random: () => number): Promise<void> {
  const server = servers[Math.floor(random() * servers.length)]!
  const [name, task] = (
    [
      ['delete', 'deleting'],
      ['stop', 'powering-off'],
      ['start', 'powering-on'],
      ['pause', 'pausing'],
      ['unpause', 'unpausing'],
    ] as const
  )[Math.floor(random() * 5)]!
  await stage.act(server, name, {}, task)
}

async function assertAtRest(stage: Stage, servers: Server[], hosts: FakeHost[]): Promise<void> {
  assert.deepEqual(await findViolations(stage.store.db, Date.now()), [])
  const { db } = stage.store
  assert.equal(await liveActions(stage), 0)
  const faults = await latestFaults(
    db,
    servers.map(({ id }) => id),
  )
  const placed = new Map<string, string>()
  for (const { id } of servers) {
    const server = await stage.server(id)
    assert.equal(server.taskState, null)
    if (server.vmState === 'error') assert.ok(faults.has(id), 'an error has a fault')
    else assert.ok(['active', 'stopped', 'paused', 'deleted'].includes(server.vmState), server.vmState)
    if (server.vmState !== 'deleted' && server.host) placed.set(id, server.host)
  }
  for (const host of hosts) {
    for (const id of host.guests.keys())
      assert.ok(placed.get(id) === host.name || (await wasLeft(stage, id, host)), `a guest too many: ${id}`)
    for (const [id, on] of placed)
      if (on === host.name) assert.notEqual(host.guests.get(id) ?? powerState.NOSTATE, powerState.NOSTATE)
  }
}

/** A guest whose removal failed too: the record says so, and the census removes it. */
async function wasLeft(stage: Stage, id: string, host: FakeHost): Promise<boolean> {
  const row = await stage.store.db
    .selectFrom('actions')
    .select('progress_json')
    .where('server_id', '=', id)
    .where('name', '=', 'create')
    .executeTakeFirstOrThrow()
  return ((JSON.parse(row.progress_json) as { abandoned?: string[] }).abandoned ?? []).includes(host.name)
}

/** Numbers in 0..1 that depend on the seed alone (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}
