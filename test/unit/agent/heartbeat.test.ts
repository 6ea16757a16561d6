import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHeartbeat } from '../../../src/agent/heartbeat.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { HostDescription } from '../../../src/model/host.ts'
import { aDescription } from '../../support/scheduler-bed.ts'

function aHeart() {
  const sent: string[] = []
  const heart = { delivers: true, description: aDescription('h') }
  const heartbeat = createHeartbeat({
    host: 'h',
    describe: async () => heart.description,
    send: async ({ type }) => {
      sent.push(type)
      return heart.delivers
    },
    clock: systemClock,
  })
  const become = (more: Partial<HostDescription>): void => {
    heart.description = { ...heart.description, ...more }
  }
  return { sent, heart, heartbeat, become }
}

test('every third heartbeat says what the host is, the others that it lives', async () => {
  const { sent, heartbeat, become } = aHeart()
  for (let i = 0; i < 7; i += 1) {
    become({ uptimeSeconds: i, loadAverage: [i, 0, 0], memoryUsedMiB: i, runningDomains: i })
    await heartbeat.beat()
  }
  assert.deepEqual(sent, ['host', 'alive', 'alive', 'host', 'alive', 'alive', 'host'])
})

test('a host that has become another says so at once, as does one that was not heard or is asked to', async () => {
  const { sent, heart, heartbeat, become } = aHeart()
  await heartbeat.beat()
  become({ vcpus: { total: 16, reserved: 0, allocationRatio: 1 } })
  await heartbeat.beat()
  heartbeat.forget()
  heart.delivers = false
  await heartbeat.beat()
  heart.delivers = true
  await heartbeat.beat()
  await heartbeat.beat()
  await heartbeat.inFull()
  assert.deepEqual(sent, ['host', 'host', 'host', 'host', 'alive', 'host'])
})
