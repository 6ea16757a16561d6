import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withImpliedRoles } from '../../../src/model/identity.ts'

test('roles bring with them what they imply, each once', () => {
  assert.deepEqual(withImpliedRoles(['admin']), ['admin', 'manager', 'member', 'reader'])
  assert.deepEqual(withImpliedRoles(['reader', 'member']), ['reader', 'member'])
  assert.deepEqual(withImpliedRoles(['service', 'mine']), ['service', 'mine'])
  assert.deepEqual(withImpliedRoles([]), [])
  assert.deepEqual(withImpliedRoles(['constructor']), ['constructor'])
})
