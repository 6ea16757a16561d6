import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { powerState, type PowerState } from '../../../src/model/server-state.ts'
import { createAgentHarness, newSpec, type AgentHarness } from '../../support/agent-harness.ts'

/** The agent holds a stop back for a second. */
const heldBackMs = 1_300

function told(harness: AgentHarness): [PowerState, string][] {
  return harness.powerReports().map(({ powerState, cause }) => [powerState, cause])
}

test('commands are not news', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  await harness.must('pause', spec.id, {})
  await harness.must('unpause', spec.id, {})
  await harness.must('reboot', spec.id, { type: 'HARD', spec, softTimeoutSeconds: 1 })
  await harness.must('stop', spec.id, { timeoutSeconds: 5, retrySeconds: 1 })
  await harness.must('destroy', spec.id, {})
  await delay(heldBackMs)
  assert.deepEqual(told(harness), [])
})

test('a guest that goes off by itself is reported, after a moment', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  harness.hypervisor.guest(spec.id).shutDown()
  await delay(500)
  assert.deepEqual(told(harness), [])
  await delay(heldBackMs - 500)
  assert.deepEqual(told(harness), [[powerState.SHUTDOWN, 'stopped (shutdown)']])
  const [report] = harness.powerReports()
  assert.deepEqual([report!.host, report!.serverId, report!.version], ['host-1', spec.id, 1])
})

test('a crash, a pause from outside and its end are reported', async () => {
  await using harness = await createAgentHarness()
  const [crashing, paused] = [await harness.spawn(), await harness.spawn()]
  await harness.hypervisor.suspend(paused.id)
  await delay(20)
  await harness.hypervisor.resume(paused.id)
  await delay(20)
  assert.deepEqual(told(harness), [
    [powerState.PAUSED, 'suspended (paused)'],
    [powerState.RUNNING, 'resumed (unpaused)'],
  ])
  harness.hypervisor.guest(crashing.id).crash()
  await delay(heldBackMs)
  assert.deepEqual(told(harness).at(-1), [powerState.SHUTDOWN, 'stopped (failed)'])
})

test('a reboot from outside is no stop', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  harness.hypervisor.guest(spec.id).reboot()
  harness.hypervisor.guest(spec.id).shutDown()
  await delay(100)
  await harness.hypervisor.start(spec.id)
  await delay(heldBackMs)
  assert.deepEqual(told(harness), [])
})

test('a guest that an I/O error paused is reported with the error', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  harness.hypervisor.guest(spec.id).ioError('vda', 'enospc')
  await delay(50)
  assert.deepEqual(told(harness), [[powerState.PAUSED, 'io-error (vda: enospc)']])
})

test('what happens behind a command’s back is reported after it', async () => {
  await using harness = await createAgentHarness({ hypervisor: { latency: { suspend: 50 } } })
  const spec = await harness.spawn()
  harness.hypervisor.onEvent((event) => {
    if (event.type === 'lifecycle' && event.event === 'suspended')
      queueMicrotask(() => harness.hypervisor.guest(spec.id).shutDown())
  })
  assert.deepEqual(await harness.must('pause', spec.id, {}), { powerState: powerState.PAUSED })
  await delay(heldBackMs)
  assert.deepEqual(
    told(harness).map(([state]) => state),
    [powerState.SHUTDOWN],
  )
})

test('domains that are not ours are nobody’s business', async () => {
  await using harness = await createAgentHarness()
  const { id } = newSpec()
  await harness.hypervisor.define(`<domain><name>foreign</name><uuid>${id}</uuid></domain>`)
  await harness.hypervisor.start(id)
  await harness.hypervisor.destroy(id)
  await delay(heldBackMs)
  assert.deepEqual(told(harness), [])
  await harness.agent.reconcile()
  assert.deepEqual(harness.census(), [])
})
