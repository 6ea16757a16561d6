import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import type { HostReport } from '../../../src/contract/report.ts'
import { capacityOf } from '../../../src/model/host.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { simulatedMachine, thisMachine } from '../../../src/agent/machine.ts'
import { until } from '../../support/until.ts'
import { createAgentHarness, newSpec, type AgentHarness } from '../../support/agent-harness.ts'

const hostReports = ({ reports }: AgentHarness): HostReport[] =>
  reports.filter((report) => report.type === 'host')

const beats = ({ reports }: AgentHarness) => reports.filter(({ type }) => type === 'host' || type === 'alive')

const off = { timeoutSeconds: 0, retrySeconds: 1 }

test('an agent says what its host is when it starts, and again and again', async () => {
  await using harness = await createAgentHarness({
    config: { reportSeconds: 0.05, reservedMemoryMiB: 1024, reservedDiskMiB: 1500, cpuAllocationRatio: 2 },
    hypervisor: { host: { onlineCpus: 8, memoryMiB: 16_384 } },
    machine: simulatedMachine({ hostIp: '192.0.2.7' }),
  })
  const { description } = hostReports(harness)[0]!
  assert.deepEqual(
    [description.name, description.hypervisorType, description.hostIp],
    ['host-1', 'QEMU', '192.0.2.7'],
  )
  assert.equal(capacityOf(description.vcpus), 16)
  assert.equal(capacityOf(description.memoryMiB), 15_360)
  assert.deepEqual(description.diskGiB, { total: 4096, reserved: 2, allocationRatio: 1 })
  assert.equal(description.runningDomains, 0)
  await Promise.all([harness.spawn(), harness.spawn()])
  const whole = harness.reports.length
  await until('three heartbeats', 5000, () => beats(harness).length >= whole + 3, 5)
  const latest = hostReports(harness).at(-1)!.description
  assert.equal(latest.runningDomains, 2)
  assert.equal(latest.memoryUsedMiB, description.memoryUsedMiB + 256)
})

test('a host without its hypervisor is silent, and speaks up when it is back', async () => {
  await using harness = await createAgentHarness({ config: { reportSeconds: 0.02 } })
  const spec = await harness.spawn()
  harness.hypervisor.disconnect()
  await delay(40)
  const before = harness.reports.length
  await delay(80)
  assert.equal(harness.reports.length, before)
  harness.hypervisor.guest(spec.id).shutDown()
  harness.hypervisor.reconnect()
  await delay(20)
  assert.ok(harness.reports.slice(before).some(({ type }) => type === 'host'))
  assert.deepEqual(harness.census(), [
    { serverId: spec.id, powerState: powerState.SHUTDOWN, hasDomain: true, hasDisk: true, busy: false },
  ])
})

test('the census finds what domains, disks and ledger know, each by itself', async () => {
  await using harness = await createAgentHarness()
  const [whole, noDomain, noDisk, orphanDomain] = await Promise.all([1, 2, 3, 4].map(() => harness.spawn()))
  const orphanDisk = newSpec()
  await harness.disks.prepare(orphanDisk)
  await harness.hypervisor.destroy(noDomain!.id)
  await harness.hypervisor.undefine(noDomain!.id)
  await harness.disks.remove(noDisk!.id)
  const xml = await harness.hypervisor.domainXml(orphanDomain!.id)
  await harness.must('destroy', orphanDomain!.id, {})
  await harness.hypervisor.define(xml)

  await harness.agent.reconcile()
  const found = new Map(harness.census().map(({ serverId, ...entry }) => [serverId, entry]))
  const { RUNNING, NOSTATE, SHUTDOWN } = powerState
  const entry = (state: number, hasDomain: boolean, hasDisk: boolean) => ({
    powerState: state,
    hasDomain,
    hasDisk,
    busy: false,
  })
  assert.deepEqual(
    found,
    new Map(
      [
        [whole!.id, entry(RUNNING, true, true)],
        [noDomain!.id, entry(NOSTATE, false, true)],
        [noDisk!.id, entry(RUNNING, true, false)],
        [orphanDomain!.id, entry(SHUTDOWN, true, false)],
        [orphanDisk.id, entry(NOSTATE, false, true)],
      ].sort() as [string, ReturnType<typeof entry>][],
    ),
  )
})

test('the census marks what commands are at work on, though they end while it counts', async () => {
  await using harness = await createAgentHarness({
    hypervisor: { latency: { listDomains: 100, suspend: 10 } },
  })
  const spec = await harness.spawn()
  const census = harness.agent.reconcile()
  await harness.must('pause', spec.id, {})
  await census
  assert.deepEqual(
    harness.census().map(({ busy }) => busy),
    [true],
  )
  await harness.agent.reconcile()
  assert.deepEqual(
    harness.census().map(({ busy, powerState: state }) => [busy, state]),
    [[false, powerState.PAUSED]],
  )
})

test('an agent that starts before its hypervisor serves once there is one', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  await harness.restart(() => harness.hypervisor.disconnect())
  await assert.rejects(harness.send('pause', spec.id, {}))
  harness.hypervisor.reconnect()
  await delay(20)
  await harness.must('pause', spec.id, {})
})

test('after a boot of the host, guests that ran are started if so configured', async () => {
  for (const resumeGuestsOnHostBoot of [true, false]) {
    let boot = 1
    const machine = { ...simulatedMachine(), bootId: () => `boot-${boot}` }
    await using harness = await createAgentHarness({ machine, config: { resumeGuestsOnHostBoot } })
    const [ran, stopped, paused] = [await harness.spawn(), await harness.spawn(), await harness.spawn()]
    await harness.must('stop', stopped.id, off)
    await harness.must('pause', paused.id, {})
    await harness.restart(() => {
      harness.hypervisor.powerFailure()
      harness.hypervisor.reconnect()
      boot = 2
    })
    await delay(50)
    const states = await Promise.all(
      [ran, stopped, paused].map(async ({ id }) => (await harness.hypervisor.findDomain(id))?.powerState),
    )
    const { RUNNING, SHUTDOWN } = powerState
    assert.deepEqual(states, [resumeGuestsOnHostBoot ? RUNNING : SHUTDOWN, SHUTDOWN, SHUTDOWN])
    const told = harness.powerReports().filter(({ serverId }) => serverId === ran.id)
    assert.deepEqual(
      told.map(({ powerState: state }) => state),
      resumeGuestsOnHostBoot ? [RUNNING] : [],
    )
    // The agent's own next start is no boot.
    await harness.must('stop', ran.id, off)
    await harness.hypervisor.start(stopped.id)
    await harness.restart()
    await delay(50)
    assert.equal((await harness.hypervisor.findDomain(ran.id))?.powerState, SHUTDOWN)
  }
})

test('a guest that went off by itself stays off after a boot of the host, one that went down with it is started', async () => {
  let boot = 1
  const machine = { ...simulatedMachine(), bootId: () => `boot-${boot}` }
  await using harness = await createAgentHarness({ machine, config: { resumeGuestsOnHostBoot: true } })
  const { hypervisor } = harness
  const ids = (await Promise.all(Array.from({ length: 6 }, () => harness.spawn()))).map(({ id }) => id)
  const [ran, off, offUnseen, saved, startedOutside, ended] = ids as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  await harness.must('stop', startedOutside, { timeoutSeconds: 0, retrySeconds: 1 })
  await hypervisor.start(startedOutside)
  hypervisor.guest(off).shutDown()
  await delay(1_300)
  await harness.restart(() => hypervisor.guest(offUnseen).shutDown())
  await harness.restart(async () => {
    await hypervisor.managedSave(saved)
  })
  // As when systemd ends QEMU on the host's way down, and the agent still looks on.
  await hypervisor.destroy(ended, { graceful: true })
  await delay(1_300)
  await harness.restart(() => {
    hypervisor.powerFailure()
    hypervisor.reconnect()
    boot = 2
  })
  await delay(100)
  const states = await Promise.all(ids.map(async (id) => (await hypervisor.findDomain(id))?.powerState))
  const { RUNNING, SHUTDOWN } = powerState
  assert.deepEqual(states, [RUNNING, SHUTDOWN, SHUTDOWN, RUNNING, RUNNING, RUNNING], String(ran))
})

test('every hour unused images leave the cache, unless they are to stay for ever', async () => {
  for (const imageCacheHours of [24, 0]) {
    const asked: number[] = []
    const clock: Clock = {
      now: () => systemClock.now(),
      // The first waits for an hour, or for the part of it with which an agent begins, are over at once.
      sleep: (ms, signal) =>
        systemClock.sleep(ms > 1_800_000 - 1 && ms <= 3_600_000 && asked.length < 3 ? 1 : ms, signal),
    }
    await using harness = await createAgentHarness({
      clock,
      config: { imageCacheHours },
      disks: { removeUnusedImages: async (ms) => void asked.push(ms) },
    })
    await delay(50)
    assert.deepEqual(asked, imageCacheHours === 0 ? [] : [24, 24, 24].map((hours) => hours * 3_600_000))
    assert.ok(harness.agent)
  }
})

test('this machine has an address, a boot id, a load and an uptime', async () => {
  const machine = thisMachine()
  assert.match(await machine.hostIp(), /^[0-9a-f.:]+$/)
  assert.match(machine.bootId() ?? '', /^[0-9a-f-]{36}$/)
  assert.equal(machine.bootId(), machine.bootId())
  assert.ok(machine.uptimeSeconds() > 0)
  assert.equal(machine.loadAverage().length, 3)
})
