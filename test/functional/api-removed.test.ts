import assert from 'node:assert/strict'
import { test } from 'node:test'
import { removedRoutes } from '../../src/api/compute/removed/removed-routes.ts'
import { computeBed } from '../support/compute-bed.ts'

test('what Nova has removed answers 410', async () => {
  await using bed = await computeBed()
  for (const { method, path, action, max = 104 } of removedRoutes()) {
    const url = path.replaceAll(/:\w+/g, 'x')
    const body = action === undefined ? undefined : { [action]: null }
    for (const version of [1, max]) {
      const answer = await bed.call(`${method} ${url}`, { as: 'member', version, body })
      assert.equal(answer.status, 410, `${method} ${path} ${action ?? ''}`)
      assert.equal(answer.body.computeFault.code, 410)
    }
  }
})
