import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '../../../src/base/logging.ts'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { startHostFailures, type HostFailure } from '../../../src/daemon/host-failures.ts'
import { until } from '../../support/until.ts'

const kinds: HostFailure[] = ['crash', 'cut', 'hang']

/** Time passes as fast as it is waited for; the story is of the first failures. */
async function storyOf(seed: number, hosts: number, length: number) {
  let now = 0
  const story: string[] = []
  const failed = new Set<string>()
  const stop = startHostFailures({
    hosts: Array.from({ length: hosts }, (_, index) => ({
      name: `h${index}`,
      async fail(failure) {
        assert.ok(!failed.has(`h${index}`), 'it has failed already')
        failed.add(`h${index}`)
        story.push(`${Math.round(now / 1000)} s: h${index} ${failure}`)
      },
      async recover() {
        failed.delete(`h${index}`)
      },
    })),
    settings: { hostFailureSeconds: 1000, hostDownSeconds: 1, hostFailures: kinds },
    clock: {
      now: () => now,
      sleep: async (ms, signal) => {
        await new Promise(setImmediate)
        signal?.throwIfAborted()
        now += ms
      },
    },
    random: seededRandom(seed),
    log: silentLogger(),
  })
  await until('failures', 10_000, () => story.length >= length, 1)
  await stop()
  return { story: story.slice(0, length), seconds: now / 1000, failures: story.length }
}

describe('hosts that fail at random', () => {
  it('each fails about as often as asked for, in all ways, and comes back before it fails again', async () => {
    const { story, seconds, failures } = await storyOf(1, 10, 300)
    const each = (seconds * 10) / failures
    assert.ok(each > 700 && each < 1400, `once in ${each} s`)
    for (const kind of kinds) assert.ok(story.filter((line) => line.endsWith(kind)).length > 60)
    assert.equal(new Set(story.map((line) => line.split(' ')[2])).size, 10)
  })

  it('the same seed tells the same story', async () => {
    const first = await storyOf(7, 3, 20)
    assert.deepEqual((await storyOf(7, 3, 20)).story, first.story)
    assert.notDeepEqual((await storyOf(8, 3, 20)).story, first.story)
  })
})
