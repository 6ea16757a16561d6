import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, nat, option, property } from 'fast-check'
import { byteRange } from '../../../src/api/image/byte-range.ts'

test('ranges of RFC 9110', () => {
  assert.deepEqual(byteRange('bytes=0-0', 10), { start: 0, end: 0 })
  assert.deepEqual(byteRange('bytes=2-4', 10), { start: 2, end: 4 })
  assert.deepEqual(byteRange('bytes=5-', 10), { start: 5, end: 9 })
  assert.deepEqual(byteRange('bytes=5-99', 10), { start: 5, end: 9 })
  assert.deepEqual(byteRange('bytes=-3', 10), { start: 7, end: 9 })
  assert.deepEqual(byteRange('bytes=-99', 10), { start: 0, end: 9 })
})

test('what cannot be had is unsatisfiable', () => {
  for (const header of ['bytes=10-', 'bytes=10-20', 'bytes=-0'])
    assert.equal(byteRange(header, 10), 'unsatisfiable', header)
  assert.equal(byteRange('bytes=0-', 0), 'unsatisfiable')
})

test('what is no single range is ignored', () => {
  for (const header of [
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=4-2',
    'bytes=0-1,3-4',
    'lines=1-2',
    'bytes=a-b',
  ])
    assert.equal(byteRange(header, 10), null, header)
})

test('a range lies within the data whatever is asked for', () => {
  check(
    property(nat(), option(nat()), option(nat()), (size, first, last) => {
      const range = byteRange(`bytes=${first ?? ''}-${last ?? ''}`, size)
      if (range === null || range === 'unsatisfiable') return
      assert.ok(range.start >= 0 && range.start <= range.end && range.end < size)
    }),
  )
})
