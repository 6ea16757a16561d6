/** The binding on libvirt's own test driver: no libvirtd, no QEMU. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  VIR_CONNECT_LIST_DOMAINS_INACTIVE,
  VIR_DOMAIN_AFFECT_CONFIG,
  VIR_DOMAIN_EVENT_DEFINED,
  VIR_DOMAIN_EVENT_RESUMED,
  VIR_DOMAIN_EVENT_STARTED,
  VIR_DOMAIN_EVENT_STOPPED,
  VIR_DOMAIN_EVENT_SUSPENDED,
  VIR_DOMAIN_EVENT_UNDEFINED,
  VIR_DOMAIN_METADATA_ELEMENT,
  VIR_DOMAIN_PAUSED,
  VIR_DOMAIN_RUNNING,
  VIR_DOMAIN_SHUTOFF,
  VIR_DOMAIN_STATS_STATE,
  VIR_DOMAIN_UNDEFINE_MANAGED_SAVE,
} from '../../src/libvirt/constants.ts'
import { openLibvirt, type Libvirt } from '../../src/libvirt/libvirt.ts'
import { until } from '../support/until.ts'

const uri = 'test:///default'

async function open(t: TestContext): Promise<Libvirt> {
  const libvirt = await openLibvirt({ uri })
  t.after(() => libvirt.close())
  return libvirt
}

function domainXml(name: string, uuid: string = randomUUID()): string {
  return `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory>
    <vcpu>1</vcpu><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><source file='/none/${name}'/><target dev='vda'/></disk></devices>
    </domain>`
}

test('asks about the host', async (t) => {
  const libvirt = await open(t)
  const version = await libvirt.call('connectGetVersion')
  assert.equal(version.driver, 'TEST')
  assert.ok(version.library >= 7_000_000)
  assert.notEqual((await libvirt.call('connectGetHostname')).hostname, '')
  assert.match((await libvirt.call('connectGetCapabilities')).xml, /<capabilities>/)
  assert.equal((await libvirt.call('nodeGetInfo')).memoryKiB, 3_145_728)
  assert.ok((await libvirt.call('nodeGetFreeMemory')).bytes > 0)
  const cpu = await libvirt.call('nodeGetCPUStats', { cpu: -1 })
  assert.deepEqual(cpu.map(({ field }) => field).sort(), ['idle', 'iowait', 'kernel', 'user'])
})

test("a domain's whole life, with its events in order", async (t) => {
  const libvirt = await open(t)
  const uuid = randomUUID()
  const seen: number[] = []
  libvirt.on('lifecycle', (event) => {
    if (event.uuid === uuid) seen.push(event.event)
  })

  const defined = await libvirt.call('domainDefineXMLFlags', { xml: domainXml('life', uuid) })
  assert.deepEqual(defined, { uuid, name: 'life', id: -1 })
  assert.deepEqual(await libvirt.call('domainLookupByName', { name: 'life' }), defined)
  const inactive = await libvirt.call('connectListAllDomains', { flags: VIR_CONNECT_LIST_DOMAINS_INACTIVE })
  assert.deepEqual(
    inactive.filter((domain) => domain.uuid === uuid).map(({ state }) => state),
    [VIR_DOMAIN_SHUTOFF],
  )

  const { id } = await libvirt.call('domainCreateWithFlags', { uuid })
  assert.ok(id > 0)
  assert.equal((await libvirt.call('domainLookupByUUID', { uuid })).id, id)
  await libvirt.call('domainSuspend', { uuid })
  assert.equal((await libvirt.call('domainGetState', { uuid })).state, VIR_DOMAIN_PAUSED)
  await libvirt.call('domainResume', { uuid })
  assert.equal((await libvirt.call('domainGetState', { uuid })).state, VIR_DOMAIN_RUNNING)
  assert.equal((await libvirt.call('domainGetInfo', { uuid })).memoryKiB, 65_536)
  assert.match((await libvirt.call('domainGetXMLDesc', { uuid })).xml, /<name>life<\/name>/)
  assert.equal((await libvirt.call('domainIsPersistent', { uuid })).persistent, 1)
  const stats = await libvirt.call('connectGetAllDomainStats', { stats: VIR_DOMAIN_STATS_STATE })
  assert.equal(stats.find((domain) => domain.uuid === uuid)?.params['state.state'], VIR_DOMAIN_RUNNING)

  await libvirt.call('domainSetMetadata', {
    uuid,
    type: VIR_DOMAIN_METADATA_ELEMENT,
    metadata: '<it a="1"/>',
    key: 'lodge',
    uri: 'https://lodge.invalid/test',
    flags: VIR_DOMAIN_AFFECT_CONFIG,
  })
  const { metadata } = await libvirt.call('domainGetMetadata', {
    uuid,
    type: VIR_DOMAIN_METADATA_ELEMENT,
    uri: 'https://lodge.invalid/test',
    flags: VIR_DOMAIN_AFFECT_CONFIG,
  })
  assert.match(metadata, /a="1"|a='1'/)

  assert.equal((await libvirt.call('domainHasManagedSaveImage', { uuid })).present, 0)
  await libvirt.call('domainManagedSave', { uuid })
  assert.equal((await libvirt.call('domainHasManagedSaveImage', { uuid })).present, 1)
  await libvirt.call('domainCreateWithFlags', { uuid })
  await libvirt.call('domainDestroyFlags', { uuid })
  await libvirt.call('domainUndefineFlags', { uuid, flags: VIR_DOMAIN_UNDEFINE_MANAGED_SAVE })
  await assert.rejects(libvirt.call('domainGetState', { uuid }), { kind: 'notFound' })

  await until('the last event', 5000, () => seen.includes(VIR_DOMAIN_EVENT_UNDEFINED), 5)
  assert.deepEqual(seen.slice(0, 4), [
    VIR_DOMAIN_EVENT_DEFINED,
    VIR_DOMAIN_EVENT_STARTED,
    VIR_DOMAIN_EVENT_SUSPENDED,
    VIR_DOMAIN_EVENT_RESUMED,
  ])
  assert.deepEqual(seen.slice(-2), [VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_UNDEFINED])
})

test('each of many failing calls gets its own error', async (t) => {
  const libvirt = await open(t)
  const { uuid } = await libvirt.call('domainDefineXMLFlags', { xml: domainXml('errors') })
  await libvirt.call('domainCreateWithFlags', { uuid })
  for (let round = 0; round < 8; round++) {
    const disks = Array.from({ length: 64 }, (_, i) => `none-${round}-${i}`)
    const outcomes = await Promise.all(
      disks.map((disk) =>
        libvirt.call('domainGetBlockInfo', { uuid, disk }).then(
          () => 'succeeded',
          (error: Error) => error.message,
        ),
      ),
    )
    for (const [i, message] of outcomes.entries())
      assert.match(message, new RegExp(`\\b${disks[i]}\\b(?!\\d)`), `call ${i} got another's error`)
  }
  await assert.rejects(libvirt.call('domainGetBlockInfo', { uuid, disk: 'none' }), {
    kind: 'badRequest',
    details: { call: 'domainGetBlockInfo', code: 8, domain: 12, level: 2 },
  })
})

test('two connections are apart: closing one leaves the other', async (t) => {
  const one = await openLibvirt({ uri })
  const two = await open(t)
  await one.close()
  await one.close()
  assert.equal(one.connected, false)
  await assert.rejects(one.call('connectGetHostname'), { kind: 'unavailable', message: /was closed/ })
  assert.ok((await two.call('connectGetHostname')).hostname)
})

test('closing with calls pending answers every one of them', async () => {
  const libvirt = await openLibvirt({ uri })
  const calls = Array.from({ length: 2000 }, () =>
    libvirt.call('connectGetCapabilities').then(
      () => 'answered',
      (error: { kind: string }) => error.kind,
    ),
  )
  await libvirt.close()
  const outcomes = new Set(await Promise.all(calls))
  assert.deepEqual(
    [...outcomes].filter((outcome) => !['answered', 'unavailable'].includes(outcome)),
    [],
  )
})

test('a listener that throws costs nobody else the event', async (t) => {
  const libvirt = await open(t)
  const seen: string[] = []
  libvirt.on('lifecycle', () => {
    throw new TypeError('defect')
  })
  const off = libvirt.on('lifecycle', ({ name }) => seen.push(name))
  await libvirt.call('domainDefineXMLFlags', { xml: domainXml('heard') })
  await until('the event', 5000, () => seen.length === 1, 5)
  off()
  const { uuid } = await libvirt.call('domainDefineXMLFlags', { xml: domainXml('unheard') })
  await libvirt.call('domainUndefineFlags', { uuid })
  assert.deepEqual(seen, ['heard'])
})

test('what cannot be connected to is said clearly', async () => {
  await assert.rejects(openLibvirt({ uri: 'qemu+unix:///system?socket=/nonexistent/socket' }), {
    kind: 'unavailable',
    message: /Cannot connect to libvirt at qemu\+unix:.*\/nonexistent\/socket/,
  })
  await assert.rejects(openLibvirt({ uri: 'nonsense:///x' }), { message: /nonsense/ })
  await assert.rejects(openLibvirt({ uri, libraryPath: '/nonexistent/library.so' }), {
    kind: 'unavailable',
    message: /setup build/,
  })
  await assert.rejects(openLibvirt({ uri, libraryPath: import.meta.filename }), {
    kind: 'unavailable',
    message: /cannot be loaded/,
  })
})

test('many calls leave memory as it was', async (t) => {
  const libvirt = await open(t)
  const { uuid } = await libvirt.call('domainDefineXMLFlags', { xml: domainXml('memory') })
  const rounds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          n % 2 === 0
            ? libvirt.call('domainGetXMLDesc', { uuid })
            : libvirt.call('domainGetBlockInfo', { uuid, disk: 'none' }).catch(() => undefined),
        ),
      )
  }
  await rounds(50)
  const before = process.memoryUsage().rss
  await rounds(150)
  // 30,000 calls with answers of 2 KB: a leak of one frame in ten would be 6 MB and more.
  const growth = (process.memoryUsage().rss - before) / 1e6
  assert.ok(growth < 25, `grew by ${growth.toFixed(1)} MB`)
})

test('process.exit() is immediate, also with calls under way', () => {
  const script = `
    const { openLibvirt } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/libvirt/libvirt.ts'))})
    const libvirt = await openLibvirt({ uri: '${uri}' })
    for (let i = 0; i < 500; i++) libvirt.call('connectGetCapabilities').catch(() => undefined)
    process.on('exit', () => console.log(Date.now()))
    setTimeout(() => process.exit(7), 2)`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  const took = Date.now() - Number(result.stdout)
  assert.equal(result.status, 7, result.stderr)
  assert.ok(took < 1000, `exit took ${took} ms`)
})

test('after close the process ends by itself', () => {
  const script = `
    const { openLibvirt } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/libvirt/libvirt.ts'))})
    const libvirt = await openLibvirt({ uri: '${uri}' })
    await libvirt.call('connectGetHostname')
    await libvirt.close()`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
})
