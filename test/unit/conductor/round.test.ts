import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createRound } from '../../../src/conductor/round.ts'

describe('a round', () => {
  it('begins with everything, then goes on by the share of the period that has passed', () => {
    const round = createRound(1000)
    assert.deepEqual(round.next(0, 10_000), { from: 0, to: 10_000 })
    assert.deepEqual(round.next(100, 10_000), { from: 0, to: 1000 })
    assert.deepEqual(round.next(150, 10_000), { from: 1000, to: 1500 })
  })

  it('waits until there is enough to look at', () => {
    const round = createRound(1000)
    round.done(0)
    assert.equal(round.next(500, 150), null)
    assert.deepEqual(round.next(700, 150), { from: 0, to: 105 })
    assert.deepEqual(round.next(1700, 150), { from: 0, to: 150 })
  })

  it('leaves nothing out for longer than the period, and begins again at the end', () => {
    const round = createRound(1000)
    round.done(0)
    const lookedAt = new Map<number, number>()
    for (let now = 20; now <= 3000; now += 20) {
      const part = round.next(now, 5000)
      assert.ok(part && part.to <= 5000 && part.from < part.to)
      for (let i = part.from; i < part.to; i += 1) {
        assert.ok(now - (lookedAt.get(i) ?? 0) <= 1040, `${i} was left out for too long`)
        lookedAt.set(i, now)
      }
    }
    assert.equal(lookedAt.size, 5000)
  })

  it('goes on from the start when there are fewer than there were', () => {
    const round = createRound(1000)
    round.done(0)
    round.next(900, 1000)
    assert.deepEqual(round.next(1000, 800), null)
    assert.deepEqual(round.next(1200, 800), { from: 0, to: 240 })
  })

  it('looks at everything when the clock was set back', () => {
    const round = createRound(1000)
    round.done(5000)
    assert.deepEqual(round.next(100, 300), { from: 0, to: 300 })
  })
})
