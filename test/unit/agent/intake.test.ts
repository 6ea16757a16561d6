import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createIntake } from '../../../src/agent/intake.ts'
import { openJournal } from '../../../src/agent/journal.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { newUuid } from '../../../src/base/ids.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import { createSimulatedDisks } from '../../../src/agent/disk/simulated-disks.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { until } from '../../support/until.ts'
import { commandOf, createAgentHarness, harnessHost, newSpec } from '../../support/agent-harness.ts'

test('a repeated id gives the recorded outcome and does nothing again', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const id = newUuid()
  await harness.must('pause', spec.id, {}, id)
  await harness.must('unpause', spec.id, {})
  assert.deepEqual(await harness.must('pause', spec.id, {}, id), { powerState: powerState.PAUSED })
  assert.equal((await harness.hypervisor.findDomain(spec.id))?.powerState, powerState.RUNNING)
  await harness.restart()
  assert.deepEqual(await harness.must('pause', spec.id, {}, id), { powerState: powerState.PAUSED })
  assert.equal((await harness.hypervisor.findDomain(spec.id))?.powerState, powerState.RUNNING)
})

test('a recorded failure is repeated as it was', async () => {
  await using harness = await createAgentHarness()
  const [serverId, id] = [newUuid(), newUuid()]
  const first = await harness.send('pause', serverId, {}, id)
  assert.equal(first.ok, false)
  assert.deepEqual(await harness.send('pause', serverId, {}, id), first)
})

test('a repeated id joins the run that is under way', async () => {
  await using harness = await createAgentHarness({ hypervisor: { latency: { define: 30 } } })
  const spec = newSpec()
  const command = commandOf('spawn', spec.id, { spec })
  const outcomes = await Promise.all([1, 2, 3].map(() => harness.bus.send(command)))
  assert.ok(outcomes.every((outcome) => outcome.ok))
  assert.equal(outcomes[0], outcomes[1])
  assert.equal(outcomes[0], outcomes[2])
})

test('commands of one server run in order, servers beside each other', async () => {
  await using harness = await createAgentHarness({ hypervisor: { latency: { suspend: 100 } } })
  const [slow, quick] = [await harness.spawn(), await harness.spawn()]
  const ended: string[] = []
  const note = (name: string) => (): void => void ended.push(name)
  await Promise.all([
    harness.must('pause', slow.id, {}).then(note('slow pause')),
    harness.must('unpause', slow.id, {}).then(note('slow unpause')),
    harness.must('stop', quick.id, { timeoutSeconds: 0, retrySeconds: 1 }).then(note('quick stop')),
  ])
  assert.deepEqual(ended, ['quick stop', 'slow pause', 'slow unpause'])
})

test('no more builds at once than the limit', async () => {
  let [now, most] = [0, 0]
  const disks = createSimulatedDisks()
  await using harness = await createAgentHarness({
    config: { maxBuilds: 3 },
    disks: {
      async prepare(spec) {
        most = Math.max(most, ++now)
        await delay(5)
        now--
        return disks.prepare(spec)
      },
    },
  })
  await Promise.all(Array.from({ length: 12 }, () => harness.spawn()))
  assert.equal(most, 3)
  assert.equal((await harness.hypervisor.listDomains()).length, 12)
})

test('a command that the agent did not live to finish is done at the next start', async () => {
  await using harness = await createAgentHarness({ hypervisor: { latency: { define: 200 } } })
  const spec = newSpec()
  const command = commandOf('spawn', spec.id, { spec })
  const lost = harness.bus.send(command)
  await delay(30)
  const told = assert.rejects(lost, (error) => error instanceof LodgeError && error.kind === 'unavailable')
  await harness.restart(() => harness.hypervisor.setLatency(0))
  await told
  const outcome = await harness.bus.send(command)
  assert.equal(outcome.ok, true)
  assert.equal((await harness.hypervisor.findDomain(spec.id))?.powerState, powerState.RUNNING)
  assert.deepEqual(await harness.disks.list(), [spec.id])
})

test('a delete cuts short what the server was doing, and cleans up after it', async () => {
  await using harness = await createAgentHarness({
    disks: {
      prepare: (_spec, signal) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    },
  })
  const spec = newSpec()
  const building = harness.send('spawn', spec.id, { spec })
  const queued = harness.send('pause', spec.id, {})
  await delay(20)
  await harness.must('destroy', spec.id, {})
  for (const outcome of [await building, await queued]) {
    assert.ok(!outcome.ok)
    assert.equal(outcome.fault.kind, 'conflict')
    assert.equal(outcome.fault.retry, 'never')
    assert.match(outcome.fault.message, /being deleted/)
  }
  assert.equal(await harness.hypervisor.findDomain(spec.id), undefined)
})

test('a hard reboot does not wait for a soft one that gets nowhere', async () => {
  await using harness = await createAgentHarness({ hypervisor: { guests: { rebootMs: null } } })
  const spec = await harness.spawn()
  const soft = harness.send('reboot', spec.id, { type: 'SOFT', spec, softTimeoutSeconds: 60 })
  await delay(20)
  await harness.must('reboot', spec.id, { type: 'HARD', spec, softTimeoutSeconds: 60 })
  const outcome = await soft
  assert.ok(!outcome.ok)
  assert.match(outcome.fault.message, /hard reboot/)
})

test('what cannot be journaled is not begun, and a build may go elsewhere', async () => {
  const journal = openJournal(':memory:')
  const host = journal.forHost('a')
  let begun = 0
  const intake = createIntake({
    host: 'a',
    journal: {
      ...host,
      accept: async () => {
        throw new LodgeError('internal', 'The journal cannot be written: disk is full')
      },
    },
    perform: async () => {
      begun++
      return { result: {} }
    },
    limits: {},
    onAbandonedEnd: async () => {},
    onFinished: () => {},
    clock: systemClock,
    log: silentLogger(),
  })
  const spec = newSpec()
  const outcomes = await Promise.all([
    intake.command(commandOf('spawn', spec.id, { spec })),
    intake.command(commandOf('pause', spec.id, {})),
  ])
  const faults = outcomes.map((outcome) => (outcome.ok ? undefined : outcome.fault))
  assert.deepEqual(
    faults.map((fault) => [fault?.kind, fault?.retry]),
    [
      ['internal', 'other-host'],
      ['internal', 'never'],
    ],
  )
  assert.match(faults[0]?.details ?? '', /disk is full/)
  assert.equal(begun, 0)
  await journal.close()
})

test('what does not fit this agent is refused and not journaled', async () => {
  await using harness = await createAgentHarness()
  const good = commandOf('pause', newUuid(), {})
  const bad = [
    { ...good, version: 2 },
    { ...good, verb: 'levitate' },
    { ...good, serverId: '../../etc' },
    { ...good, serverId: good.serverId.toUpperCase() },
    { ...good, id: '' },
    commandOf('spawn', newUuid(), { spec: newSpec() }),
  ]
  for (const command of bad) {
    const outcome = await harness.bus.send(command as typeof good)
    assert.ok(!outcome.ok)
    assert.ok(['badRequest', 'notImplemented'].includes(outcome.fault.kind), outcome.fault.kind)
    assert.equal(outcome.fault.retry, 'never')
  }
  assert.equal((await harness.send('pause', good.serverId, {}, good.id)).ok, false)
})

test('a delete waits only for a while for a call that hangs', async () => {
  const journal = openJournal(':memory:')
  const waits: number[] = []
  const intake = createIntake({
    host: harnessHost,
    journal: journal.forHost(harnessHost),
    perform: ({ verb }) => (verb === 'destroy' ? Promise.resolve({ result: {} }) : new Promise(() => {})),
    limits: {},
    onAbandonedEnd: async () => {},
    onFinished: () => {},
    clock: {
      now: () => 0,
      sleep: async (ms) => {
        waits.push(ms)
      },
    },
    log: silentLogger(),
  })
  const serverId = newUuid()
  const pausing = intake.command(commandOf('pause', serverId, {}))
  await delay(10)
  assert.deepEqual(waits, [])
  assert.ok((await intake.command(commandOf('destroy', serverId, {}))).ok)
  const outcome = await pausing
  assert.match(outcome.ok ? '' : outcome.fault.message, /being deleted/)
  assert.equal(waits.length, 1)
  assert.ok(waits[0]! >= 5_000)
  await intake.stop()
  await journal.close()
})

test('a start that hangs until after the delete leaves no domain behind', async () => {
  await using harness = await createAgentHarness({
    clock: {
      now: () => systemClock.now(),
      sleep: (ms, signal) => systemClock.sleep(ms === 10_000 ? 20 : ms, signal),
    },
  })
  const { hypervisor } = harness
  const [spec, other] = [await harness.spawn(), await harness.spawn()]
  await harness.must('stop', spec.id, { timeoutSeconds: 0, retrySeconds: 1 })
  hypervisor.setLatency({ define: 400 })
  const starting = harness.send('start', spec.id, { spec })
  await delay(20)
  await harness.must('destroy', spec.id, {})
  assert.equal((await starting).ok, false)
  assert.equal(await hypervisor.findDomain(spec.id), undefined)
  const defined = Promise.withResolvers<void>()
  hypervisor.onEvent((event) => {
    if (event.type === 'lifecycle' && event.uuid === spec.id && event.event === 'started') defined.resolve()
  })
  await defined.promise
  await until('its removal', 5_000, async () => (await hypervisor.findDomain(spec.id)) === undefined, 10)
  assert.deepEqual(await harness.disks.list(), [other.id])
  assert.equal((await hypervisor.findDomain(other.id))?.powerState, powerState.RUNNING)
})

test('what hung is no reason to remove a server that a newer command has taken up', async () => {
  const journal = openJournal(':memory:')
  const looked: string[] = []
  const hung = new Map<string, () => void>()
  const intake = createIntake({
    host: harnessHost,
    journal: journal.forHost(harnessHost),
    perform: async ({ verb, serverId }) => {
      if (verb === 'pause') await new Promise<void>((resolve) => hung.set(serverId, resolve))
      return { result: {} }
    },
    limits: {},
    onAbandonedEnd: async (serverId) => void looked.push(serverId),
    onFinished: () => {},
    clock: { now: () => 0, sleep: async () => {} },
    log: silentLogger(),
  })
  const [gone, back] = [newUuid(), newUuid()]
  for (const serverId of [gone, back]) {
    void intake.command(commandOf('pause', serverId, {}))
    await delay(10)
    assert.ok((await intake.command(commandOf('destroy', serverId, {}))).ok)
  }
  await intake.command(commandOf('unpause', back, {}))
  assert.deepEqual(looked, [])
  for (const end of hung.values()) end()
  await delay(10)
  assert.deepEqual(looked, [gone])
  await intake.stop()
  await journal.close()
})
