/** The agent with libvirt, QEMU and a guest that boots: what its verbs come to outside of the simulation. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { newUuid } from '../../src/base/ids.ts'
import type { CensusEntry, CensusReport } from '../../src/contract/report.ts'
import type { ServerImage, ServerSpec } from '../../src/model/server-spec.ts'
import { powerState } from '../../src/model/server-state.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { commandOf } from '../support/agent-harness.ts'
import { guestSpec, startLibvirtAgent, type LibvirtAgent } from '../support/libvirt-agent.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'
import { until } from '../support/until.ts'

const { RUNNING, PAUSED, SHUTDOWN } = powerState
const login = /^lodge-guest login: /m

let dir: string
let libvirtd: PrivateLibvirtd
let agent: LibvirtAgent
/** The test guest. */
let guest: ServerImage
/** A disk with nothing on it: a guest that hears no button. */
let blank: ServerImage

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lodge-life-'))
  const { path } = await buildGuestImage({ directory: join(dir, 'guest') })
  libvirtd = await startPrivateLibvirtd({ dir })
  agent = await startLibvirtAgent(libvirtd.uri, dir)
  guest = await agent.addImage(path, 'qcow2')
  blank = await agent.addImage(makeImage('blank.qcow2', '8M'), 'qcow2')
})

after(async () => {
  await agent?.stop()
  await libvirtd?.stop()
  rmSync(dir, { recursive: true, force: true })
})

describe('a server’s life', () => {
  const live = newUuid()
  const cold = newUuid()
  let spec: ServerSpec
  let id: string

  before(() => {
    spec = guestSpec(guest)
    id = spec.id
  })

  test('spawn: the guest boots, with its disk, its name and its console', async () => {
    const result = await agent.must('spawn', id, { spec })
    assert.equal(result.powerState, RUNNING)
    assert.equal(result.rootDeviceName, '/dev/vda')
    assert.match(result.machineType, /^pc/)
    spec = { ...spec, machineType: result.machineType }
    await agent.untilConsole(id, login)
    const text = await agent.console(id)
    assert.match(text, new RegExp(`^uuid ${id}$`, 'm'))
    assert.match(text, /^boot 1$/m)
    assert.match(text, /^disk vda 33554432 bytes$/m)
    const domain = await agent.hypervisor.findDomain(id)
    assert.deepEqual(domain, {
      uuid: id,
      name: spec.domainName,
      powerState: RUNNING,
      managedSave: false,
      isLodge: true,
    })
  })

  test('a snapshot of the guest that runs on', async () => {
    const { powerState: state, sizeBytes } = await agent.must('snapshot', id, {
      imageId: live,
      diskFormat: 'qcow2',
    })
    assert.equal(state, RUNNING)
    assert.ok(sizeBytes > 8 << 20)
    assert.equal(await powerOf(id), RUNNING)
    assert.deepEqual(agent.kept().staging, [])
  })

  test('pause and unpause', async () => {
    assert.equal((await agent.must('pause', id, {})).powerState, PAUSED)
    assert.equal(await powerOf(id), PAUSED)
    assert.equal((await agent.must('unpause', id, {})).powerState, RUNNING)
    assert.equal(await powerOf(id), RUNNING)
  })

  test('suspend and resume: the guest goes on where it was', async () => {
    const tick = Number(await agent.untilConsole(id, /tick (\d+)/))
    assert.equal((await agent.must('suspend', id, {})).powerState, SHUTDOWN)
    assert.equal((await agent.hypervisor.findDomain(id))?.managedSave, true)
    assert.equal((await agent.must('resume', id, { spec })).powerState, RUNNING)
    // The log began anew; the guest did not.
    assert.ok(Number(await agent.untilConsole(id, /tick (\d+)/)) > tick)
    assert.doesNotMatch(await agent.console(id), /Lodge test guest/)
  })

  test('stop: the guest hears the button and goes down by itself', async () => {
    const started = performance.now()
    const limits = { timeoutSeconds: 40, retrySeconds: 5 }
    assert.equal((await agent.must('stop', id, limits)).powerState, SHUTDOWN)
    assert.ok(performance.now() - started < 30_000)
    assert.equal(await powerOf(id), SHUTDOWN)
    assert.match(await agent.console(id), /power button, going down/)
    assert.equal((await agent.must('stop', id, limits)).powerState, SHUTDOWN)
  })

  test('a snapshot of the disk at rest', async () => {
    const { powerState: state } = await agent.must('snapshot', id, { imageId: cold, diskFormat: 'raw' })
    assert.equal(state, SHUTDOWN)
  })

  test('start', async () => {
    assert.equal((await agent.must('start', id, { spec })).powerState, RUNNING)
    await agent.untilConsole(id, login)
    assert.match(await agent.console(id), /^boot 2$/m)
  })

  test('a soft reboot: the guest goes down and comes up within the same QEMU', async () => {
    const params = { type: 'SOFT', spec, softTimeoutSeconds: 40 } as const
    assert.equal((await agent.must('reboot', id, params)).powerState, RUNNING)
    await agent.untilConsole(id, /^boot 3$[^]*^lodge-guest login: /m)
    assert.match(await agent.console(id), /power button, going down/)
    assert.equal(await powerOf(id), RUNNING)
  })

  test('a hard reboot', async () => {
    const params = { type: 'HARD', spec, softTimeoutSeconds: 40 } as const
    assert.equal((await agent.must('reboot', id, params)).powerState, RUNNING)
    assert.equal(await agent.untilConsole(id, /^(boot \d+)$/m), 'boot 4')
    await agent.untilConsole(id, login)
  })

  test('a guest that goes off by itself is reported soon', async () => {
    await delay(200)
    agent.reports.length = 0
    // Not through the agent: as from within, or by an operator.
    execFileSync('virsh', ['-q', '-c', libvirtd.uri, 'shutdown', id], { timeout: 30_000 })
    const off = await eventOf(id, 'stopped')
    const report = await until(
      'the report',
      2_000,
      () => agent.reports.find((one) => one.type === 'power' && one.serverId === id),
      5,
    )
    assert.ok(performance.now() - off < 2_000)
    assert.equal(report.type === 'power' && report.powerState, SHUTDOWN)
    assert.equal(report.type === 'power' && report.cause, 'stopped (shutdown)')
  })

  test('both snapshots boot', async () => {
    const copies = [
      guestSpec(await agent.storedImage(live, 'qcow2')),
      guestSpec(await agent.storedImage(cold, 'raw')),
    ]
    await Promise.all(copies.map((copy) => agent.must('spawn', copy.id, { spec: copy })))
    for (const copy of copies) {
      await agent.untilConsole(copy.id, login)
      assert.match(await agent.console(copy.id), /^boot 2$/m)
    }
    for (const copy of copies) await agent.must('destroy', copy.id, {})
    for (const copy of copies) await assertNothingOf(copy)
  })

  test('destroy leaves nothing', async () => {
    await agent.must('start', id, { spec })
    await agent.must('destroy', id, {})
    await assertNothingOf(spec)
    assert.deepEqual(agent.kept().staging, [])
    await agent.must('destroy', id, {})
  })
})

test('a guest that hears no button: asked in vain, then cut off', async () => {
  const spec = guestSpec(blank)
  await agent.must('spawn', spec.id, { spec })
  const params = { type: 'SOFT', spec, softTimeoutSeconds: 1 } as const
  assert.equal((await agent.must('reboot', spec.id, params)).powerState, RUNNING)
  await agent.must('stop', spec.id, { timeoutSeconds: 2, retrySeconds: 1 })
  assert.equal(await powerOf(spec.id), SHUTDOWN)
  await agent.must('destroy', spec.id, {})
})

test('libvirtd is killed: guests run on, the agent counts them again and goes on', async () => {
  const spec = guestSpec(blank)
  await agent.must('spawn', spec.id, { spec })
  await libvirtd.kill9()
  await until('the loss', 10_000, () => !agent.hypervisor.connected, 5)
  agent.reports.length = 0
  const outcome = await agent.bus.send(commandOf('pause', spec.id, {}))
  assert.equal(!outcome.ok && outcome.fault.kind, 'unavailable')
  await libvirtd.restart()
  const census = await until('a census', 20_000, () =>
    agent.reports.findLast((report): report is CensusReport => report.type === 'census'),
  )
  const entry: CensusEntry = {
    serverId: spec.id,
    powerState: RUNNING,
    hasDomain: true,
    hasDisk: true,
    busy: false,
  }
  assert.deepEqual(census.servers, [entry])
  assert.equal((await agent.must('pause', spec.id, {})).powerState, PAUSED)
  await agent.must('destroy', spec.id, {})
})

const gates = {
  'while its image is fetched': async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    agent.beforeFetch = async () => {
      resolve()
      await delay(300)
    }
    await promise
  },
  'when its domain is defined': async (id: string) => {
    await eventOf(id, 'defined')
  },
}

for (const [when, reached] of Object.entries(gates))
  test(`an agent that ends in the middle of a build, ${when}: the next one brings it to its end`, async (t) => {
    t.after(() => (agent.beforeFetch = async () => {}))
    // A content of its own, so that the cache does not have it.
    const image = await agent.addImage(makeImage(`${newUuid()}.qcow2`, '9M'), 'qcow2')
    const spec = guestSpec(image)
    const command = commandOf('spawn', spec.id, { spec })
    const gate = reached(spec.id)
    const first = assert.rejects(agent.bus.send(command), { kind: 'unavailable' })
    await gate
    await agent.stop()
    await first
    agent.beforeFetch = async () => {}
    await agent.start()
    const outcome = await agent.bus.send(command)
    assert.ok(outcome.ok, JSON.stringify(outcome))
    assert.equal(await powerOf(spec.id), RUNNING)
    assert.equal((await agent.hypervisor.listDomains()).length, 1)
    assert.deepEqual(agent.kept().servers, [spec.id])
    assert.ok(!agent.kept().images.some((name) => name.includes('.part')))
    await agent.must('destroy', spec.id, {})
    await assertNothingOf(spec)
  })

test('an image that is not what it says is refused, and leaves nothing', async () => {
  const before = agent.kept()
  const base = makeImage('base.qcow2', '8M')
  const backed = join(dir, 'backed.qcow2')
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', backed])
  const images = [
    { image: await agent.addImage(backed, 'qcow2'), kind: 'badRequest', message: /backing/ },
    { image: await agent.addImage(base, 'raw'), kind: 'badRequest', message: /raw|qcow2/ },
    { image: { ...blank, sha512: 'a'.repeat(128) }, kind: 'unavailable', message: /checksum/ },
    { image: { ...blank, id: newUuid(), sha512: 'b'.repeat(128) }, kind: 'notFound', message: /gone/ },
  ]
  for (const { image, kind, message } of images) {
    const spec = guestSpec(image)
    const outcome = await agent.bus.send(commandOf('spawn', spec.id, { spec }))
    assert.ok(!outcome.ok)
    assert.equal(outcome.fault.kind, kind, JSON.stringify(outcome.fault))
    assert.match(outcome.fault.message, message, JSON.stringify(outcome.fault))
    await assertNothingOf(spec)
  }
  assert.deepEqual(agent.kept(), before)
})

function makeImage(name: string, size: string): string {
  const path = join(dir, name)
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, size])
  return path
}

const powerOf = async (id: string): Promise<number | undefined> =>
  (await agent.hypervisor.findDomain(id))?.powerState

/** When the event came, by `performance.now()`. */
async function eventOf(id: string, event: string): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const unsubscribe = agent.hypervisor.onEvent((one) => {
    if (one.uuid === id && one.type === 'lifecycle' && one.event === event) resolve(performance.now())
  })
  try {
    return await Promise.race([promise, delay(30_000, Number.NaN, { ref: false })])
  } finally {
    unsubscribe()
  }
}

async function assertNothingOf(spec: ServerSpec): Promise<void> {
  assert.equal(await agent.hypervisor.findDomain(spec.id), undefined)
  assert.ok(!agent.kept().servers.includes(spec.id))
}
