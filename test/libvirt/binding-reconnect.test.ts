/** The binding with a libvirtd that dies, and with guests that block it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import type { LodgeError } from '../../src/base/errors.ts'
import { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_RUNNING } from '../../src/libvirt/constants.ts'
import { openLibvirt, type Libvirt } from '../../src/libvirt/libvirt.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'
import { until } from '../support/until.ts'

let dir: string
let libvirtd: PrivateLibvirtd

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lodge-binding-'))
  libvirtd = await startPrivateLibvirtd({ dir })
})
after(async () => {
  await libvirtd?.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function open(t: TestContext): Promise<Libvirt> {
  const libvirt = await openLibvirt({ uri: libvirtd.uri })
  t.after(() => libvirt.close(1000))
  return libvirt
}

/** A guest with firmware and nothing else. */
async function startGuest(t: TestContext, libvirt: Libvirt): Promise<string> {
  const uuid = randomUUID()
  await libvirt.call('domainCreateXML', {
    xml: `<domain type='qemu'><name>guest-${uuid}</name><uuid>${uuid}</uuid><memory unit='MiB'>32</memory>
      <vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>`,
  })
  t.after(() => libvirt.call('domainDestroyFlags', { uuid }).catch(() => undefined))
  return uuid
}

test('a failure carries the words and numbers of libvirtd', async (t) => {
  const libvirt = await open(t)
  const uuids = Array.from({ length: 64 }, () => randomUUID())
  await Promise.all(
    uuids.map((uuid) =>
      assert.rejects(
        libvirt.call('domainReset', { uuid }),
        (error: LodgeError) =>
          error.kind === 'notFound' &&
          error.message.includes(uuid) &&
          error.details.code === 42 &&
          error.details.call === 'domainReset',
      ),
    ),
  )
})

test('quick calls go on while slow ones are stuck, however many', { timeout: 120_000 }, async (t) => {
  const libvirt = await open(t)
  const uuid = await startGuest(t, libvirt)
  const qemu = pidOfGuest(uuid)
  const alone = await milliseconds(200, () => libvirt.call('domainGetState', { uuid }))

  process.kill(qemu, 'SIGSTOP')
  t.after(() => process.kill(qemu, 'SIGCONT'))
  let finished = 0
  const stuck = Array.from({ length: 64 }, () =>
    libvirt
      .call('domainMemoryStats', { uuid })
      .catch(() => undefined)
      .finally(() => finished++),
  )
  await new Promise((resolve) => setTimeout(resolve, 300))
  const beside = await milliseconds(200, () => libvirt.call('domainGetState', { uuid }))
  assert.equal(finished, 0, 'the slow calls were to be stuck')
  assert.ok(beside.median < alone.median * 3 + 2, `${beside.median} ms beside, ${alone.median} ms alone`)
  assert.ok(beside.longest < 250, `the longest took ${beside.longest} ms`)

  process.kill(qemu, 'SIGCONT')
  await Promise.all(stuck)
})

test('libvirtd killed: noticed, pending calls fail, reconnected, events again, guest untouched', async (t) => {
  const libvirt = await open(t)
  const uuid = await startGuest(t, libvirt)
  const qemu = pidOfGuest(uuid)
  const notices: string[] = []
  libvirt.on('disconnected', ({ reason }) => notices.push(`disconnected ${reason}`))
  libvirt.on('connected', () => notices.push('connected'))
  const started: string[] = []
  libvirt.on('lifecycle', (event) => {
    if (event.event === VIR_DOMAIN_EVENT_STARTED) started.push(event.uuid)
  })

  process.kill(qemu, 'SIGSTOP')
  const pending = Array.from({ length: 10 }, () => libvirt.call('domainMemoryStats', { uuid }))
  const failures = Promise.all(pending.map((call) => assert.rejects(call, { kind: 'unavailable' })))
  await new Promise((resolve) => setTimeout(resolve, 100))
  await libvirtd.kill9()
  await until('the notice', 5000, () => notices.length > 0, 5)
  process.kill(qemu, 'SIGCONT')
  await failures
  assert.equal(libvirt.connected, false)
  assert.match(notices[0]!, /^disconnected .*(closed|library|lost)/)
  await assert.rejects(libvirt.call('connectGetHostname'), { kind: 'unavailable', message: /no connection/ })

  await libvirtd.restart()
  await until('the reconnection', 15_000, () => notices.at(-1) === 'connected', 5)
  assert.equal(libvirt.connected, true)
  assert.equal(notices.length, 2)
  assert.equal((await libvirt.call('domainGetState', { uuid })).state, VIR_DOMAIN_RUNNING)
  assert.equal(pidOfGuest(uuid), qemu)

  const another = await startGuest(t, libvirt)
  await until('its event', 5000, () => started.includes(another), 5)
  assert.equal(started.filter((it) => it === another).length, 1)
})

test('close() while libvirtd is away ends the attempts', async () => {
  const libvirt = await openLibvirt({ uri: libvirtd.uri })
  await libvirtd.kill9()
  await until('the notice', 5000, () => !libvirt.connected, 5)
  const start = Date.now()
  await libvirt.close()
  assert.ok(Date.now() - start < 2000)
  await libvirtd.restart()
})

test('a patient one waits for a libvirtd that is away, but not for a library that is missing', async () => {
  await libvirtd.kill9()
  await assert.rejects(openLibvirt({ uri: libvirtd.uri }), { kind: 'unavailable' })
  const libvirt = await openLibvirt({ uri: libvirtd.uri, patient: true })
  assert.equal(libvirt.connected, false)
  await libvirtd.restart()
  await until('the connection', 15_000, () => libvirt.connected, 5)
  assert.ok((await libvirt.call('connectGetHostname')).hostname)
  await libvirt.close()
  await assert.rejects(openLibvirt({ uri: libvirtd.uri, patient: true, libraryPath: '/nowhere.so' }), {
    kind: 'unavailable',
    message: /setup build/,
  })
})

function pidOfGuest(uuid: string): number {
  const found = readdirSync('/proc').find((entry) => {
    if (!/^\d+$/.test(entry)) return false
    try {
      return readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(`guest=guest-${uuid}`)
    } catch {
      return false
    }
  })
  assert.ok(found, `no QEMU runs for ${uuid}`)
  return Number(found)
}

async function milliseconds(
  times: number,
  call: () => Promise<unknown>,
): Promise<{ median: number; longest: number }> {
  const taken: number[] = []
  while (taken.length < times) {
    const start = performance.now()
    await call()
    taken.push(performance.now() - start)
  }
  taken.sort((a, b) => a - b)
  return { median: taken[times >> 1]!, longest: taken.at(-1)! }
}
