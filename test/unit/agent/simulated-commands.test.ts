import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aroundCommands, readMishaps } from '../../../src/agent/simulated-commands.ts'
import { defaultConfig } from '../../../src/base/config.ts'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import type { Command, Verb } from '../../../src/contract/command.ts'

const mishaps = (latencies: string[], failures: string[] = []) =>
  readMishaps({ ...defaultConfig.simulate, latencies, failures })

describe('what befalls the commands of simulated hosts', () => {
  const command = (verb: Verb) => ({ verb }) as Command
  async function run(of: ReturnType<typeof mishaps>, verbs: Verb[], seed = 1) {
    const slept: number[] = []
    const clock = { now: () => 0, sleep: async (ms: number) => void slept.push(ms) }
    const around = aroundCommands(of, clock, seededRandom(seed))!
    let done = 0
    const faults: string[] = []
    for (const verb of verbs)
      await around(command(verb), new AbortController().signal, async () => {
        done += 1
        return { result: {} }
      }).catch((error: Error) => faults.push(error.message))
    return { slept, faults, done }
  }
  const thousand = Array.from({ length: 1000 }, () => 'spawn' as const)

  it('nothing, where nothing is asked for', () => {
    const clock = { now: () => 0, sleep: async () => {} }
    assert.equal(aroundCommands(mishaps([]), clock, Math.random), undefined)
  })

  it('they take as long as their verb says, the rest as long as * says', async () => {
    const { slept, done } = await run(mishaps(['spawn=100-300', 'start=50', '*=7']), ['start', 'stop'])
    assert.deepEqual([slept, done], [[50, 7], 2])
    const spawned = (await run(mishaps(['spawn=100-300']), thousand)).slept
    assert.ok(Math.min(...spawned) < 110 && Math.min(...spawned) >= 100)
    assert.ok(Math.max(...spawned) > 290 && Math.max(...spawned) < 300)
  })

  it('the share of them fails that is asked for, the same ones for the same seed', async () => {
    const of = mishaps([], ['spawn=0.2', '*=1'])
    const { faults, done } = await run(of, thousand)
    assert.ok(faults.length > 150 && faults.length < 250, `${faults.length}`)
    assert.equal(done + faults.length, 1000)
    assert.equal(faults[0], 'A simulated failure of spawn')
    assert.equal((await run(of, thousand)).faults.length, faults.length)
    assert.notEqual((await run(of, thousand, 2)).faults.length, faults.length)
    assert.equal((await run(of, ['stop'])).done, 0)
  })

  it('what is asked for wrongly is named', () => {
    assert.throws(() => mishaps(['spwan=1']), { kind: 'badRequest', message: /no command 'spwan'/ })
    assert.throws(() => mishaps(['spawn=30-10']), { kind: 'badRequest', message: /from more to less/ })
    assert.throws(() => mishaps([], ['toString=1']), { kind: 'badRequest' })
  })
})
