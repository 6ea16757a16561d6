import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Session } from '../../../src/api/identity/session.ts'
import { TokenCache } from '../../../src/api/identity/token-cache.ts'

const session = (expiresAt: number): Session => ({ record: { expiresAt } }) as Session

test('what is put in is found until it is five seconds old', () => {
  const cache = new TokenCache()
  const one = session(1_000_000)
  cache.put('hash', one, 1000, cache.generation)
  assert.equal(cache.get('hash', 5999), one)
  assert.equal(cache.get('hash', 6000), undefined)
  assert.equal(cache.get('hash', 1000), undefined, 'what was found too old is gone')
})

test('nothing is found after its token expired', () => {
  const cache = new TokenCache()
  cache.put('hash', session(1500), 1000, cache.generation)
  assert.ok(cache.get('hash', 1499))
  assert.equal(cache.get('hash', 1500), undefined)
})

test('what was read before a change is not put in after it', () => {
  const cache = new TokenCache()
  const { generation } = cache
  cache.clear()
  cache.put('hash', session(1_000_000), 1000, generation)
  assert.equal(cache.get('hash', 1000), undefined)
})

test('it is bounded: the oldest makes room', () => {
  const cache = new TokenCache()
  for (let index = 0; index <= 10_000; index++)
    cache.put(`hash-${index}`, session(1_000_000), 1000, cache.generation)
  assert.equal(cache.get('hash-0', 1000), undefined)
  assert.ok(cache.get('hash-1', 1000))
  assert.ok(cache.get('hash-10000', 1000))
})
