import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  forecastMigration,
  type ForecastInput,
  type MigrationLimits,
} from '../../../src/model/migration-forecast.ts'

const mib = 2 ** 20
const limits: MigrationLimits = {
  maxDowntimeMs: 500,
  autoConverge: false,
  postCopy: false,
  timeoutMs: null,
  timeoutAction: 'abort',
}
const input = (more: Partial<ForecastInput> & { allow?: Partial<MigrationLimits> } = {}): ForecastInput => {
  const { allow, ...rest } = more
  return {
    memoryBytes: 1000 * mib,
    dirtyBytesPerSecond: 0,
    diskBytes: 0,
    diskWriteBytesPerSecond: 0,
    bandwidth: { bytesPerSecond: 100 * mib, source: 'assumed' },
    ...rest,
    limits: { ...limits, ...allow },
  }
}

describe('the forecast of a live migration', () => {
  it('an idle guest takes the time that its memory takes, and hardly stands still', () => {
    const { verdict, aid, totalMs, downtimeMs } = forecastMigration(input())
    assert.deepEqual([verdict, aid, totalMs, downtimeMs], ['converges', null, 10_100, 100])
  })

  it('each round sends what was written during the one before', () => {
    const forecast = forecastMigration(input({ dirtyBytesPerSecond: 50 * mib }))
    // 10 s, 5 s, 2.5 s, 1.25 s, 0.625 s, and 0.3125 s of halt.
    assert.deepEqual([forecast.verdict, forecast.totalMs, forecast.downtimeMs], ['converges', 19_788, 413])
  })

  it('a guest that writes faster than can be sent never comes to an end', () => {
    const forecast = forecastMigration(input({ dirtyBytesPerSecond: 200 * mib }))
    assert.deepEqual([forecast.verdict, forecast.totalMs, forecast.downtimeMs], ['never', null, null])
    assert.equal(forecast.reason, 'The guest writes 200.0 MiB/s to its memory, and 100.0 MiB/s can be sent.')
  })

  it('unless all of its memory fits into one halt', () => {
    const forecast = forecastMigration(input({ dirtyBytesPerSecond: 200 * mib, memoryBytes: 40 * mib }))
    assert.deepEqual([forecast.verdict, forecast.downtimeMs], ['converges', 500])
  })

  it('auto-converge slows the guest down by as much as it takes', () => {
    const forecast = forecastMigration(
      input({ dirtyBytesPerSecond: 200 * mib, allow: { autoConverge: true } }),
    )
    assert.deepEqual([forecast.verdict, forecast.aid], ['aided', 'auto-converge'])
    assert.equal(forecast.throttlePercent, 60)
    assert.ok(forecast.totalMs! > 5 * 2 * 10_000)
    assert.match(forecast.reason, /slowed down by 60 %/)
  })

  it('auto-converge is not used where post-copy is', () => {
    const allow = { autoConverge: true, postCopy: true }
    const forecast = forecastMigration(input({ dirtyBytesPerSecond: 200 * mib, allow }))
    assert.deepEqual([forecast.verdict, forecast.aid, forecast.downtimeMs], ['aided', 'post-copy', 100])
  })

  it('what is forced to its end at a timeout is halted for all that is left', () => {
    const allow = { timeoutMs: 60_000, timeoutAction: 'force-complete' } as const
    const forecast = forecastMigration(input({ dirtyBytesPerSecond: 200 * mib, allow }))
    assert.deepEqual(
      [forecast.verdict, forecast.aid, forecast.totalMs, forecast.downtimeMs],
      ['aided', 'halt', 70_100, 10_100],
    )
  })

  it('what would converge after the timeout is aborted before', () => {
    const forecast = forecastMigration(input({ allow: { timeoutMs: 8000 } }))
    assert.equal(forecast.verdict, 'never')
    assert.equal(forecast.reason, 'It would take 10.1 s; after 8.0 s it would be aborted.')
  })

  it('disks are sent before, and what is written to them takes its share', () => {
    const forecast = forecastMigration(input({ diskBytes: 2000 * mib, diskWriteBytesPerSecond: 50 * mib }))
    assert.equal(forecast.totalMs, 40_000 + 20_000 + 100)
    const faster = forecastMigration(input({ diskBytes: 1, diskWriteBytesPerSecond: 100 * mib }))
    assert.equal(faster.verdict, 'never')
    assert.match(faster.reason, /to its disks/)
    const shared = forecastMigration(input({ diskBytes: 0, diskWriteBytesPerSecond: 100 * mib }))
    assert.equal(shared.verdict, 'converges')
  })
})

describe('the forecast holds to its rules whatever the numbers', () => {
  const amount = fc.integer({ min: 0, max: 2 ** 38 })
  const anyInput: fc.Arbitrary<ForecastInput> = fc.record({
    memoryBytes: fc.integer({ min: mib, max: 2 ** 40 }),
    dirtyBytesPerSecond: amount,
    diskBytes: amount,
    diskWriteBytesPerSecond: amount,
    bandwidth: fc.record({
      bytesPerSecond: fc.integer({ min: mib, max: 2 ** 36 }),
      source: fc.constantFrom('limit', 'measured', 'assumed'),
    }),
    limits: fc.record({
      maxDowntimeMs: fc.integer({ min: 100, max: 10_000 }),
      autoConverge: fc.boolean(),
      postCopy: fc.boolean(),
      timeoutMs: fc.option(fc.integer({ min: 1000, max: 10 ** 9 })),
      timeoutAction: fc.constantFrom('abort', 'force-complete'),
    }),
  })
  const always = (holds: (forecast: ReturnType<typeof forecastMigration>, of: ForecastInput) => void): void =>
    fc.assert(fc.property(anyInput, (of) => holds(forecastMigration(of), of)))

  it('only what never ends has no numbers, and only what is aided has an aid', () =>
    always(({ verdict, aid, totalMs, downtimeMs }) => {
      assert.equal(totalMs === null, verdict === 'never')
      assert.equal(downtimeMs === null, verdict === 'never')
      assert.equal(aid !== null, verdict === 'aided')
    }))

  it('nothing is sent faster than the bandwidth, and the halt is part of the whole', () =>
    always(({ totalMs, downtimeMs }, { memoryBytes, diskBytes, bandwidth }) => {
      if (totalMs === null || downtimeMs === null) return
      const least = ((memoryBytes + diskBytes) / bandwidth.bytesPerSecond) * 1000
      assert.ok(totalMs >= Math.floor(least))
      assert.ok(totalMs >= downtimeMs)
    }))

  it('a guest that converges stands still no longer than it may, and is not aborted', () =>
    always(({ verdict, totalMs, downtimeMs }, { limits: { maxDowntimeMs, timeoutMs } }) => {
      if (verdict !== 'converges') return
      assert.ok(downtimeMs! <= maxDowntimeMs + 100)
      assert.ok(timeoutMs === null || totalMs! <= timeoutMs + 1)
    }))

  it('what writes less converges if what writes more does, and in no more time', () =>
    fc.assert(
      fc.property(anyInput, fc.double({ min: 0, max: 1, noNaN: true }), (of, share) => {
        const more = forecastMigration(of)
        if (more.verdict !== 'converges') return
        const less = forecastMigration({ ...of, dirtyBytesPerSecond: of.dirtyBytesPerSecond * share })
        assert.equal(less.verdict, 'converges')
        assert.ok(less.totalMs! <= more.totalMs! + 1)
      }),
    ))

  it('more bandwidth never takes the end away', () =>
    fc.assert(
      fc.property(anyInput, fc.integer({ min: 1, max: 100 }), (of, times) => {
        const { bytesPerSecond, source } = of.bandwidth
        const wider = forecastMigration({
          ...of,
          bandwidth: { bytesPerSecond: bytesPerSecond * times, source },
        })
        if (forecastMigration(of).verdict === 'converges') assert.equal(wider.verdict, 'converges')
      }),
    ))
})
