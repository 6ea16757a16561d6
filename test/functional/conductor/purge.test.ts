import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import type { Schema } from '../../../src/store/schema.ts'
import { startFakeHost } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

const dayMs = 86_400_000
const tables = ['servers', 'actions', 'action_steps', 'placements'] as const satisfies (keyof Schema)[]

describe('the history of deleted servers', { timeout: 60_000 }, () => {
  it('is forgotten after the configured time, and that of others is not', async () => {
    let offset = 0
    const clock: Clock = { now: () => systemClock.now() + offset, sleep: systemClock.sleep }
    const stage = await openStage((config) => {
      config.conductor.keepDeletedDays = 30
    }, clock)
    try {
      await stage.startConductor()
      await startFakeHost(stage.bus, 'h1')
      const kept = await stage.create()
      const old = await stage.create()
      await remove(stage, old.id)
      offset = 29 * dayMs
      const recent = await stage.create()
      await remove(stage, recent.id)
      assert.deepEqual(new Set(await idsOf(stage)), new Set([kept.id, old.id, recent.id]))
      const before = await rowsOf(stage)

      offset = 31 * dayMs
      await stage.until(async () => (await idsOf(stage)).length === 2)
      assert.deepEqual(new Set(await idsOf(stage)), new Set([kept.id, recent.id]))
      const after = await rowsOf(stage)
      assert.deepEqual(
        tables.map((table) => before[table]! - after[table]!),
        [1, 2, 2, 1],
      )
    } finally {
      await stage.close()
    }
  })
})

async function remove(stage: Stage, id: string): Promise<void> {
  await stage.conductor().idle()
  await stage.act(await stage.server(id), 'delete', {}, 'deleting')
  await stage.conductor().idle()
}

async function idsOf(stage: Stage): Promise<string[]> {
  const rows = await stage.store.db.selectFrom('servers').select('id').execute()
  return rows.map(({ id }) => id)
}

async function rowsOf(stage: Stage): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of tables)
    counts[table] = (await stage.store.db.selectFrom(table).selectAll().execute()).length
  return counts
}
