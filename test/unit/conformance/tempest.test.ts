import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultsOf } from '../../conformance/tempest/results.ts'
import { readSkips, select } from '../../conformance/tempest/skip-list.ts'

test('each test that was to run has an outcome, be it that of its class or none', () => {
  const junit = `<testsuite>
    <testcase classname="a.B" name="test_good[id-1,negative]" time="0.1"/>
    <testcase classname="a.B" name="test_bad[id-2]"><failure type="x">a traceback &amp; more</failure></testcase>
    <testcase classname="a.B" name="test_off[id-3]"><skipped>Not on.</skipped></testcase>
    <testcase classname="" name="setUpClass (a.Off)"><skipped>The class is off.</skipped></testcase>
    <testcase classname="" name="setUpClass (a.Broken)"><failure type="x">no set-up</failure></testcase>
    <testcase classname="" name="tearDownClass (a.B)"><failure type="x">left over</failure></testcase>
  </testsuite>`
  const wanted = [
    'a.B.test_good[id-1,negative]',
    'a.B.test_bad[id-2]',
    'a.B.test_off[id-3]',
    'a.Off.test_1[id-4]',
    'a.Broken.test_1[id-5,slow]',
    'a.Gone.test_1[id-6]',
  ]
  assert.deepEqual(
    resultsOf(wanted, junit).map(({ outcome, text }) => [outcome, text]),
    [
      ['passed', ''],
      ['failed', 'a traceback & more'],
      ['skipped', 'Not on.'],
      ['skipped', 'The class is off.'],
      ['failed', 'no set-up'],
      ['failed', 'nothing was told of it'],
      ['failed', 'left over'],
    ],
  )
})

test('the first line that fits gives the reason, and lines that fit nothing are told', () => {
  const skips = [
    { pattern: /\.one$/, reason: 'first' },
    { pattern: /^a\./, reason: 'second' },
    { pattern: /nowhere/, reason: 'third' },
  ]
  const { run, skipped, unused } = select(['a.one', 'a.two', 'b.three'], skips)
  assert.deepEqual(run, ['b.three'])
  assert.deepEqual(Object.fromEntries(skipped), { first: ['a.one'], second: ['a.two'] })
  assert.deepEqual(unused, [skips[2]])
})

test('the list that is checked in has a reason on each line', () => {
  assert.ok(readSkips().length > 0)
})
