import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { startFakeHost } from './fake-host.ts'
import { openStage } from './stage.ts'

const hourMs = 3_600_000

/** A machine whose time is set while servers are built, and one that slept. */
describe('a clock that jumps', { timeout: 60_000 }, () => {
  for (const [words, jump] of [
    ['forward', hourMs],
    ['back', -hourMs],
  ] as const) {
    it(`${words}: fails no build that is under way, and no host is down for it`, async () => {
      let offset = 0
      const clock: Clock = { now: () => systemClock.now() + offset, sleep: systemClock.sleep }
      const stage = await openStage(undefined, clock)
      try {
        await stage.startConductor()
        const host = await startFakeHost(stage.bus, 'h1')
        const release = Promise.withResolvers<void>()
        host.hold = () => release.promise
        const first = await stage.create()
        await stage.until(() => host.carriedOut.length === 1)
        offset = jump
        // Past the tick that sees it.
        await systemClock.sleep(1500)
        const second = await stage.create()
        release.resolve()
        await stage.conductor().idle()
        for (const { id } of [first, second]) assert.equal((await stage.server(id)).vmState, 'active')
      } finally {
        await stage.close()
      }
    })
  }
})
