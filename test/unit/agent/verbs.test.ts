import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError } from '../../../src/base/errors.ts'
import type { Outcome } from '../../../src/contract/command.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { createAgentHarness, newSpec, type AgentHarness } from '../../support/agent-harness.ts'

const { RUNNING, PAUSED, SHUTDOWN } = powerState

const stateOf = async (harness: AgentHarness, id: string): Promise<number | undefined> =>
  (await harness.hypervisor.findDomain(id))?.powerState

const off = { timeoutSeconds: 0, retrySeconds: 1 }

function faultIn(outcome: Outcome) {
  assert.ok(!outcome.ok, 'should have failed')
  return outcome.fault
}

test('spawn builds, starts, and says what it chose', async () => {
  await using harness = await createAgentHarness()
  const spec = newSpec()
  const result = await harness.must('spawn', spec.id, { spec })
  assert.equal(result.powerState, RUNNING)
  assert.equal(result.rootDeviceName, '/dev/vda')
  assert.match(result.machineType, /^pc|^q35/)
  const domain = await harness.hypervisor.findDomain(spec.id)
  assert.deepEqual([domain?.name, domain?.powerState, domain?.isLodge], [spec.domainName, RUNNING, true])
  assert.deepEqual(await harness.must('spawn', spec.id, { spec }), result)
})

test('a build that fails leaves nothing, and may be tried elsewhere', async () => {
  await using harness = await createAgentHarness()
  const spec = newSpec()
  const error = new LodgeError('internal', 'internal error: qemu unexpectedly closed the monitor')
  harness.hypervisor.fail('start', { times: 1, error })
  const fault = faultIn(await harness.send('spawn', spec.id, { spec }))
  assert.equal(fault.retry, 'other-host')
  assert.equal(fault.code, 500)
  assert.equal(fault.message, 'Host host-1 could not build the server.')
  assert.match(fault.details, /unexpectedly closed the monitor/)
  assert.equal(await harness.hypervisor.findDomain(spec.id), undefined)
  assert.deepEqual(await harness.disks.list(), [])
  await harness.must('spawn', spec.id, { spec })
})

test('a build that fails for its image fails everywhere, in words for the user', async () => {
  const message = 'The image needs a larger disk than the flavor has'
  await using harness = await createAgentHarness({
    disks: {
      prepare: async () => {
        throw new LodgeError('badRequest', message)
      },
    },
  })
  const spec = newSpec()
  const fault = faultIn(await harness.send('spawn', spec.id, { spec }))
  assert.deepEqual([fault.retry, fault.code, fault.message], ['never', 400, message])
})

test('a repeated build that fails does not take away a guest that runs', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const prepare = harness.disks.prepare
  harness.disks.prepare = async () => {
    throw new LodgeError('internal', 'the tool failed')
  }
  faultIn(await harness.send('spawn', spec.id, { spec }))
  harness.disks.prepare = prepare
  assert.equal(await stateOf(harness, spec.id), RUNNING)
})

test('destroy takes everything, in every state, and again', async () => {
  await using harness = await createAgentHarness()
  const [running, paused, suspended, stopped] = await Promise.all([1, 2, 3, 4].map(() => harness.spawn()))
  await harness.must('pause', paused!.id, {})
  await harness.must('suspend', suspended!.id, {})
  await harness.must('stop', stopped!.id, off)
  for (const { id } of [running!, paused!, suspended!, stopped!]) {
    await harness.must('destroy', id, {})
    await harness.must('destroy', id, {})
  }
  assert.deepEqual(await harness.hypervisor.listDomains(), [])
  assert.deepEqual(await harness.disks.list(), [])
  await harness.agent.reconcile()
  assert.deepEqual(harness.census(), [])
})

test('stop asks the guest first', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const causes: string[] = []
  harness.hypervisor.onEvent((event) => {
    if (event.type === 'lifecycle' && event.event === 'stopped') causes.push(event.detail)
  })
  const started = performance.now()
  await harness.must('stop', spec.id, { timeoutSeconds: 20, retrySeconds: 10 })
  assert.ok(performance.now() - started < 2_000, 'the event ends the wait')
  assert.deepEqual(causes, ['shutdown'])
  assert.deepEqual(await harness.must('stop', spec.id, off), { powerState: SHUTDOWN })
})

test('stop asks again, for the guest that was still booting', async () => {
  await using harness = await createAgentHarness({ hypervisor: { guests: { shutdownMs: null } } })
  const spec = await harness.spawn()
  const stopping = harness.must('stop', spec.id, { timeoutSeconds: 20, retrySeconds: 1 })
  await delay(100)
  harness.hypervisor.guest(spec.id).behave({ shutdownMs: 5 })
  const started = performance.now()
  await stopping
  assert.ok(performance.now() - started < 3_000)
})

test('stop cuts the power of a guest that will not go', async () => {
  await using harness = await createAgentHarness({ hypervisor: { guests: { shutdownMs: null } } })
  const spec = await harness.spawn()
  const started = performance.now()
  await harness.must('stop', spec.id, { timeoutSeconds: 1, retrySeconds: 10 })
  const took = performance.now() - started
  assert.ok(took >= 950 && took < 3_000, `${took} ms`)
  assert.equal(await stateOf(harness, spec.id), SHUTDOWN)
})

test('stop notices a guest whose going off was not told', async () => {
  await using harness = await createAgentHarness({ hypervisor: { guests: { shutdownMs: null } } })
  const spec = await harness.spawn()
  const stopping = harness.must('stop', spec.id, { timeoutSeconds: 20, retrySeconds: 1 })
  await delay(50)
  harness.hypervisor.disconnect()
  harness.hypervisor.guest(spec.id).shutDown()
  harness.hypervisor.reconnect()
  assert.deepEqual(await stopping, { powerState: SHUTDOWN })
})

test('start makes the domain anew and passes over a saved image', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const machineType = 'pc-q35-7.2'
  await harness.must('suspend', spec.id, {})
  await harness.must('start', spec.id, { spec: { ...spec, name: 'renamed', machineType } })
  const domain = await harness.hypervisor.findDomain(spec.id)
  assert.deepEqual([domain?.powerState, domain?.managedSave], [RUNNING, false])
  assert.match(await harness.hypervisor.domainXml(spec.id), /renamed/)
  assert.match(await harness.hypervisor.domainXml(spec.id), /pc-q35-7\.2/)
  await harness.must('start', spec.id, { spec })
})

test('the machine type of the first boot stays', async () => {
  await using harness = await createAgentHarness({ config: { machineType: 'q35' } })
  const spec = await harness.spawn()
  const before = /machine="([^"]+)"/.exec(await harness.hypervisor.domainXml(spec.id))?.[1]
  assert.match(before ?? '', /q35/)
  await harness.restart()
  await harness.must('reboot', spec.id, { type: 'HARD', spec, softTimeoutSeconds: 1 })
  assert.equal(/machine="([^"]+)"/.exec(await harness.hypervisor.domainXml(spec.id))?.[1], before)
})

test('a server whose disks are gone is not started from nothing', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  await harness.must('stop', spec.id, off)
  await harness.disks.remove(spec.id)
  const fault = faultIn(await harness.send('start', spec.id, { spec }))
  assert.deepEqual([fault.kind, fault.retry], ['notFound', 'never'])
  assert.match(fault.message, /disks of the server are not on host/)
})

test('reboot: soft by the guest, soft by going off, hard when it does not react', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const story: string[] = []
  harness.hypervisor.onEvent((event) => {
    if (event.type === 'reboot') story.push('reboot')
    if (event.type === 'lifecycle' && ['stopped', 'started'].includes(event.event))
      story.push(`${event.event} ${event.detail}`)
  })
  const soft = { type: 'SOFT', spec, softTimeoutSeconds: 1 } as const
  await harness.must('reboot', spec.id, soft)
  assert.deepEqual(story.splice(0), ['reboot'])

  const guest = harness.hypervisor.guest(spec.id)
  guest.behave({ rebootMs: null })
  const rebooting = harness.must('reboot', spec.id, { ...soft, softTimeoutSeconds: 20 })
  await delay(20)
  guest.shutDown()
  await rebooting
  assert.deepEqual(story.splice(0), ['stopped shutdown', 'started booted'])

  await harness.must('reboot', spec.id, soft)
  assert.deepEqual(story.splice(0), ['stopped destroyed', 'started booted'])
  await harness.must('reboot', spec.id, { ...soft, type: 'HARD' })
  assert.deepEqual(story.splice(0), ['stopped destroyed', 'started booted'])
  await harness.must('pause', spec.id, {})
  await harness.must('reboot', spec.id, { ...soft, type: 'HARD' })
  await harness.must('suspend', spec.id, {})
  await harness.must('reboot', spec.id, { ...soft, type: 'HARD' })
  assert.equal(await stateOf(harness, spec.id), RUNNING)
})

test('pause, unpause, suspend, resume: to and fro, and where they do not lead', async () => {
  await using harness = await createAgentHarness()
  const { id, ...rest } = await harness.spawn()
  const spec = { id, ...rest }
  for (const [verb, params, expected] of [
    ['pause', {}, PAUSED],
    ['pause', {}, PAUSED],
    ['unpause', {}, RUNNING],
    ['unpause', {}, RUNNING],
    ['suspend', {}, SHUTDOWN],
    ['suspend', {}, SHUTDOWN],
    ['resume', { spec }, RUNNING],
    ['resume', { spec }, RUNNING],
  ] as const) {
    const result = await harness.must(verb, id, params as { spec: typeof spec })
    assert.deepEqual(result, { powerState: expected }, verb)
    assert.equal(await stateOf(harness, id), expected, verb)
  }
  await harness.must('pause', id, {})
  await harness.must('suspend', id, {})
  await harness.must('resume', id, { spec })
  assert.equal(await stateOf(harness, id), RUNNING)

  await harness.must('stop', id, off)
  for (const verb of ['pause', 'unpause', 'suspend'] as const) {
    const fault = faultIn(await harness.send(verb, id, {}))
    assert.deepEqual([fault.kind, fault.code, fault.retry], ['conflict', 409, 'never'])
    assert.equal(fault.message, `Cannot ${verb} the guest, because it is shut down`)
  }
  await harness.must('resume', id, { spec })
  assert.equal(await stateOf(harness, id), RUNNING)
})

test('verbs on a server that is not here say so', async () => {
  await using harness = await createAgentHarness()
  const spec = newSpec()
  for (const verb of ['pause', 'unpause', 'suspend'] as const) {
    const fault = faultIn(await harness.send(verb, spec.id, {}))
    assert.deepEqual([fault.kind, fault.message], ['notFound', 'The server has no domain on host host-1'])
  }
  for (const outcome of [
    await harness.send('resume', spec.id, { spec }),
    await harness.send('start', spec.id, { spec }),
    await harness.send('reboot', spec.id, { type: 'HARD', spec, softTimeoutSeconds: 1 }),
    await harness.send('snapshot', spec.id, { imageId: spec.image.id, diskFormat: 'qcow2' }),
  ])
    assert.equal(faultIn(outcome).kind, 'notFound')
  assert.deepEqual(await harness.must('stop', spec.id, off), { powerState: SHUTDOWN })
})

test('snapshot of a guest that runs, is paused, is off, is suspended', async () => {
  await using harness = await createAgentHarness({ hypervisor: { guests: { agent: true } } })
  const spec = await harness.spawn()
  const guest = harness.hypervisor.guest(spec.id)
  const snapshot = (imageId: string) => harness.must('snapshot', spec.id, { imageId, diskFormat: 'qcow2' })
  const frozen: boolean[] = []
  harness.hypervisor.onEvent((event) => {
    if (event.type === 'block-job' && event.status === 'canceled') frozen.push(guest.frozen)
  })

  const running = await snapshot('running')
  assert.deepEqual(running, { powerState: RUNNING, sizeBytes: harness.stored.get('running') })
  assert.deepEqual([frozen, guest.frozen], [[true], false])
  await harness.must('pause', spec.id, {})
  assert.equal((await snapshot('paused')).powerState, PAUSED)
  assert.deepEqual(frozen, [true, false])
  await harness.must('suspend', spec.id, {})
  assert.equal((await snapshot('suspended')).powerState, SHUTDOWN)
  assert.equal((await harness.hypervisor.findDomain(spec.id))?.managedSave, true)
  await harness.must('stop', spec.id, off)
  assert.equal((await snapshot('stopped')).powerState, SHUTDOWN)
  assert.deepEqual([...harness.stored.keys()], ['running', 'paused', 'suspended', 'stopped'])
})

test('a snapshot that fails leaves no file and no frozen guest', async () => {
  await using harness = await createAgentHarness({
    hypervisor: { guests: { agent: true } },
    images: {
      store: async () => {
        throw new LodgeError('notFound', 'The image was deleted')
      },
    },
  })
  const spec = await harness.spawn()
  const staging = dirname(harness.disks.stagingPath('any'))
  const params = { imageId: spec.image.id, diskFormat: 'raw' } as const
  assert.equal(faultIn(await harness.send('snapshot', spec.id, params)).message, 'The image was deleted')
  harness.hypervisor.fail('copyDisk', {
    times: 1,
    after: true,
    error: new LodgeError('internal', 'block job failed'),
  })
  assert.equal(faultIn(await harness.send('snapshot', spec.id, params)).kind, 'internal')
  assert.deepEqual(readdirSync(staging), [])
  assert.equal(harness.hypervisor.guest(spec.id).frozen, false)
})

test('a snapshot ends when the host has no room for it, at the beginning or while it is copied', async () => {
  const full = new LodgeError('tooLarge', 'There is no room left for image data')
  for (const looks of [0, 1]) {
    let left = looks
    await using harness = await createAgentHarness({
      hypervisor: { guests: { agent: true }, latency: { copyDisk: 2_400 } },
      disks: {
        assertSpareRoom: async () => {
          left -= 1
          if (left < 0) throw full
        },
      },
    })
    const spec = await harness.spawn()
    const fault = faultIn(
      await harness.send('snapshot', spec.id, { imageId: spec.image.id, diskFormat: 'raw' }),
    )
    assert.deepEqual(
      [fault.kind, fault.code, fault.message, fault.retry],
      ['tooLarge', 413, full.message, 'never'],
    )
    const staging = dirname(harness.disks.stagingPath('any'))
    assert.deepEqual(existsSync(staging) ? readdirSync(staging) : [], [])
    assert.equal(harness.hypervisor.guest(spec.id).frozen, false)
    assert.equal(harness.stored.size, 0)
  }
})

test('an image that demands quiet is not made of a guest that cannot be quieted', async () => {
  await using harness = await createAgentHarness()
  const spec = newSpec()
  spec.image.properties = { os_require_quiesce: 'yes' }
  await harness.must('spawn', spec.id, { spec })
  const fault = faultIn(
    await harness.send('snapshot', spec.id, { imageId: spec.image.id, diskFormat: 'raw' }),
  )
  assert.match(fault.message, /quiesce/)
})

test('a guest that goes off under its snapshot is copied as it lies', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  harness.hypervisor.fail('copyDisk', { times: 1, error: new LodgeError('internal', 'domain is gone') })
  const copyDisk = harness.hypervisor.copyDisk
  harness.hypervisor.copyDisk = (...args) => {
    harness.hypervisor.guest(spec.id).shutDown()
    return copyDisk(...args)
  }
  const result = await harness.must('snapshot', spec.id, { imageId: 'late', diskFormat: 'raw' })
  assert.deepEqual(result, { powerState: SHUTDOWN, sizeBytes: harness.stored.get('late') })
})

test('without its hypervisor a host says that it may be tried again', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  harness.hypervisor.disconnect()
  const other = newSpec()
  assert.equal(faultIn(await harness.send('pause', spec.id, {})).retry, 'same-host')
  assert.equal(faultIn(await harness.send('spawn', other.id, { spec: other })).retry, 'other-host')
  harness.hypervisor.reconnect()
  await harness.must('pause', spec.id, {})
})

test('questions', async () => {
  await using harness = await createAgentHarness()
  const spec = await harness.spawn()
  const ask = (name: 'powerState' | 'consoleOutput', serverId: string) =>
    harness.bus.ask({ version: 1, host: 'host-1', name, params: { serverId, length: 1 } })
  assert.deepEqual(await ask('powerState', spec.id), { powerState: RUNNING })
  assert.deepEqual(await ask('powerState', newSpec().id), { powerState: powerState.NOSTATE })
  assert.match(((await ask('consoleOutput', spec.id)) as { output: string }).output, /login/)
  await assert.rejects(ask('consoleOutput', '../x'), (error) => (error as LodgeError).kind === 'badRequest')
  await assert.rejects(
    ask('toString' as 'powerState', spec.id),
    (error) => (error as LodgeError).kind === 'notImplemented',
  )
})

test('a port that someone else took lets a start fail only the second time', async () => {
  await using harness = await createAgentHarness()
  const error = new LodgeError(
    'internal',
    'internal error: process exited while connecting to monitor: -vnc 127.0.0.1:0: Failed to find an available port: Address already in use',
  )
  harness.hypervisor.fail('start', { times: 1, error })
  const spec = await harness.spawn()
  await harness.must('stop', spec.id, off)
  harness.hypervisor.fail('start', { times: 2, error })
  assert.equal(faultIn(await harness.send('start', spec.id, { spec })).kind, 'internal')
  harness.hypervisor.fail('start', { times: 1, error: new LodgeError('internal', 'internal error: other') })
  assert.equal(faultIn(await harness.send('start', spec.id, { spec })).kind, 'internal')
  await harness.must('start', spec.id, { spec })
})

test('a foreign domain of the server’s name is named in the fault, and another host may do', async () => {
  await using harness = await createAgentHarness()
  const spec = newSpec()
  const foreign = newSpec().id
  const define = (uuid: string) =>
    harness.hypervisor.define(`<domain><name>${spec.domainName}</name><uuid>${uuid}</uuid></domain>`)
  await define(foreign)
  const fault = faultIn(await harness.send('spawn', spec.id, { spec }))
  assert.deepEqual([fault.kind, fault.code, fault.retry], ['unavailable', 503, 'other-host'])
  assert.ok(fault.message.includes(spec.domainName) && fault.message.includes(foreign), fault.message)
  assert.match(fault.details, /already exists with uuid/)
  assert.equal((await harness.hypervisor.findDomain(foreign))?.name, spec.domainName)
  assert.deepEqual(await harness.disks.list(), [])
  await harness.hypervisor.undefine(foreign)
  await harness.must('spawn', spec.id, { spec })
})
