/**
 * What can be asked of a live migration, on real hosts: how far it is, its end by abort, force and time, its limits.
 * Moves are held up by little bandwidth and a guest that writes faster than that.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultConfig, type Config } from '../../src/base/config.ts'
import type { Migration } from '../../src/model/migration.ts'
import { startMovingGuest, type MovingGuest } from '../support/moving-guest.ts'
import { steerMigration } from '../support/steer-migration.ts'
import { until } from '../support/until.ts'

type Settings = Partial<Config['agent']['migration']>

describe('live migration in a lab', { timeout: 900_000 }, () => {
  let guest: MovingGuest
  let source: string
  let dest: string
  let counted: number

  before(async () => {
    guest = await startMovingGuest({ hosts: 2 })
  })
  after(() => guest?.stop())

  beforeEach(async () => {
    source = guest.server().host!
    dest = guest.elsewhere()
    counted = await guest.countsOn()
  })
  afterEach(async () => {
    set(defaultConfig.agent.migration)
    // What a test that failed has left behind.
    const left = await guest.stage.server(guest.server().id)
    if (left.taskState === 'migrating') await steer('live_migration_cancel')
    await guest.stage.conductor().idle()
    if (left.host !== null) await guest.assertAt((await guest.stage.server(left.id)).host!)
  })

  function set({ address: _address, uri: _uri, tls: _tls, ...settings }: Settings): void {
    for (const { migration } of guest.agents.agents.values()) Object.assign(migration, settings)
  }
  /** The guest is there, has not been started again, and counts on. */
  async function assertAt(host: string): Promise<void> {
    await guest.assertAt(host)
    const now = await guest.countsOn()
    assert.ok(now > counted, `it counted from ${counted} to ${now}`)
  }
  const steer = async (name: 'live_migration_cancel' | 'live_migration_force_complete'): Promise<void> => {
    const { id } = await guest.migration()
    assert.ok(await steerMigration(guest.stage, guest.server(), name, id))
  }
  const untilMemoryMoves = (): Promise<Migration> =>
    until('memory to be sent', 60_000, async () => {
      const found = await guest.migration()
      return (found.progress.memoryProcessedBytes ?? 0) > 0 ? found : undefined
    })
  const status = async (): Promise<string> => (await guest.migration()).status
  const virsh = async (...words: string[]): Promise<string> =>
    (await guest.agentAt(source).host.exec(['virsh', '-q', ...words])).stdout

  it('tells how far it is while it lasts, as slow as it was told to be', async () => {
    set({ bandwidthMiBps: 12 })
    const began = performance.now()
    await guest.begin(dest)
    const seen: number[] = []
    const shown: number[] = []
    const { progress } = await until('the end', 60_000, async () => {
      const found = await guest.migration()
      seen.push(found.progress.memoryProcessedBytes ?? 0)
      shown.push((await guest.stage.server(guest.server().id)).progress)
      return found.status === 'completed' && found
    })
    const took = performance.now() - began
    await assertAt(dest)
    assert.ok(new Set(seen).size >= 3, `bytes were ${[...new Set(seen)].join(', ')}`)
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    )
    assert.ok(Math.max(...shown) > 0 && Math.max(...shown) <= 100, `percent were ${shown.join(', ')}`)
    assert.ok(progress.memoryTotalBytes! >= 128 * 2 ** 20)
    const sent = Math.max(...seen) / 2 ** 20
    assert.ok(took / 1000 >= sent / 12 / 2, `${sent} MiB took ${took} ms`)
  })

  it('is aborted: the guest stays, and nothing of it is at the destination', async () => {
    set({ bandwidthMiBps: 4 })
    await guest.begin(dest)
    assert.equal((await untilMemoryMoves()).status, 'running')
    await steer('live_migration_cancel')
    await assertAt(source)
    assert.equal(await status(), 'cancelled')
  })

  it('waits its turn as queued, and is aborted there while the other goes on', async () => {
    set({ bandwidthMiBps: 4 })
    const other = await guest.createAnother(source)
    await guest.begin(dest)
    await untilMemoryMoves()
    await guest.begin(dest, other)
    await until('its destination to be prepared', 30_000, async () =>
      (await guest.agentAt(dest).disks.list()).includes(other.id),
    )
    await delay(1000)
    const queued = await guest.untilStatus('queued', other)
    assert.ok(await steerMigration(guest.stage, other, 'live_migration_cancel', queued.id))
    await until(
      'the other to be left alone',
      30_000,
      async () => (await guest.stage.server(other.id)).taskState === null,
    )
    assert.equal((await guest.migration(other)).status, 'cancelled')
    assert.equal((await guest.stage.server(other.id)).host, source)
    assert.equal(await status(), 'running')
    await steer('live_migration_cancel')
    await assertAt(source)
    assert.deepEqual(await guest.agentAt(dest).disks.list(), [])
    assert.ok(await guest.stage.act(other, 'delete', {}, 'deleting'))
    await guest.stage.conductor().idle()
  })

  describe('with a guest that writes faster than can be sent', () => {
    before(() => guest.writes(24))
    after(() => guest.writes(false))

    it('is aborted when its time is over', async () => {
      set({ bandwidthMiBps: 4, timeoutSeconds: 1, timeoutAction: 'abort' })
      await guest.begin(dest)
      await assertAt(source)
      assert.equal(await status(), 'cancelled')
    })

    it('ends by halting the guest when it is forced to, and the guest runs on', async () => {
      set({ bandwidthMiBps: 16, autoConverge: false })
      await guest.begin(dest)
      await untilMemoryMoves()
      await steer('live_migration_force_complete')
      await assertAt(dest)
      assert.equal(await status(), 'completed')
    })

    it('ends by halting the guest when its time is over, where the settings say so', async () => {
      set({ bandwidthMiBps: 16, autoConverge: false, timeoutSeconds: 1, timeoutAction: 'force-complete' })
      await guest.begin(dest)
      await assertAt(dest)
      assert.equal(await status(), 'completed')
    })

    it('lets a guest that was halted to end it run on where it is when it is aborted after all', async () => {
      set({ bandwidthMiBps: 1, autoConverge: false })
      await guest.begin(dest)
      await untilMemoryMoves()
      await steer('live_migration_force_complete')
      await until('the guest to stand still', 30_000, async () => /paused/.test(await virsh('list', '--all')))
      await steer('live_migration_cancel')
      await assertAt(source)
      assert.equal(await status(), 'cancelled')
    })

    it('goes over to post-copy when it is forced to', async () => {
      set({ bandwidthMiBps: 4, postCopy: true })
      await guest.begin(dest)
      await untilMemoryMoves()
      await steer('live_migration_force_complete')
      await guest.untilStatus('running (post-copy)')
      await assertAt(dest)
      assert.equal(await status(), 'completed')
    })

    it('goes over to post-copy when its time is over', async () => {
      set({ bandwidthMiBps: 4, postCopy: true, timeoutSeconds: 1, timeoutAction: 'force-complete' })
      await guest.begin(dest)
      await guest.untilStatus('running (post-copy)')
      await assertAt(dest)
      assert.equal(await status(), 'completed')
    })

    it('slows the guest down', async () => {
      set({ bandwidthMiBps: 4 })
      await guest.begin(dest)
      await until('the guest to be slowed down', 90_000, async () =>
        /Auto converge throttle: +[1-9]/.test(await virsh('domjobinfo', guest.server().id)),
      )
      await steer('live_migration_cancel')
      await assertAt(source)
    })

    it('may halt the guest for longer, step by step, until it comes to its end', async () => {
      set({
        bandwidthMiBps: 8,
        autoConverge: false,
        downtimeMs: 60_000,
        downtimeSteps: 4,
        downtimeDelaySeconds: 1,
      })
      await guest.begin(dest)
      const steps = new Set<number>()
      await until('the end', 120_000, async () => {
        const allowed = await virsh('migrate-getmaxdowntime', guest.server().id).catch(() => '')
        if (allowed.trim() !== '') steps.add(Number(allowed))
        return (await status()) === 'completed'
      })
      await assertAt(dest)
      assert.ok(steps.size >= 2, `it was allowed ${[...steps].join(', ')} ms`)
      assert.ok([...steps].every((ms) => ms <= 60_000))
    })
  })
})
