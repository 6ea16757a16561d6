import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare } from '../../../src/daemon/doctor.ts'

const nothing = {
  isKnown: true,
  servers: 0,
  here: new Set<string>(),
  kept: new Set<string>(),
  undecided: new Set<string>(),
}

test('disks that a host keeps until a move is confirmed are in order, and others beside them are not', () => {
  const disks = ['moved_resize', 'forgotten_resize', 'late_incoming', 'stray']
  const found = compare({ ...nothing, kept: new Set(['moved']) }, { domains: [], disks })
  assert.deepEqual(found, [
    'disk directory of forgotten_resize has no server',
    'disk directory of late_incoming has no server',
    'disk directory of stray has no server',
  ])
  const undecided = new Set(['forgotten', 'late', 'stray', 'moved'])
  assert.deepEqual(compare({ ...nothing, undecided }, { domains: [], disks }), [])
})

test('a server without its domain or its disk is named', () => {
  const found = compare({ ...nothing, here: new Set(['one']) }, { domains: [], disks: ['one_resize'] })
  assert.deepEqual(found, [
    'disk directory of one_resize has no server',
    'server one has no domain',
    'server one has no disk',
  ])
})
