import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uptimeText } from '../../../src/api/compute/hypervisors/uptime-text.ts'

const now = Date.parse('2026-02-03T08:32:11Z')

test('uptime reads as the program prints it', () => {
  const load = [0.2, 0.12, 0.144]
  const text = uptimeText(now, 93 * 86_400 + 18 * 3600 + 25 * 60 + 59, load)
  assert.equal(text, ' 08:32:11 up 93 days, 18:25,  0 users,  load average: 0.20, 0.12, 0.14')
  assert.match(uptimeText(now, 86_400 + 60, load), / up 1 day, 1 min, /)
  assert.match(uptimeText(now, 3 * 3600 + 5 * 60, load), / up 3:05, /)
  assert.match(uptimeText(now, 59, load), / up 0 min, /)
})

test('python-openstackclient can take it apart', () => {
  const match = /\s*(.+)\sup\s+(.+),\s+(.+)\susers?,\s+load average:\s(.+)/.exec(
    uptimeText(now, 90_000, [1, 2, 3]),
  )
  assert.deepEqual(match?.slice(1), ['08:32:11', '1 day, 1:00', '0', '1.00, 2.00, 3.00'])
})
