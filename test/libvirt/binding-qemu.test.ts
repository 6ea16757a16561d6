/** The calls and events that only a running QEMU can show. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
  VIR_DOMAIN_BLOCK_JOB_CANCELED,
  VIR_DOMAIN_BLOCK_JOB_READY,
  VIR_DOMAIN_BLOCK_JOB_TYPE_COPY,
  VIR_DOMAIN_EVENT_DEFINED,
  VIR_DOMAIN_EVENT_STARTED,
  VIR_DOMAIN_EVENT_STARTED_RESTORED,
  VIR_DOMAIN_EVENT_SUSPENDED,
  VIR_DOMAIN_JOB_NONE,
  VIR_DOMAIN_PAUSED,
  VIR_DOMAIN_SHUTOFF,
  VIR_DOMAIN_SHUTOFF_SAVED,
  VIR_DOMAIN_START_PAUSED,
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_STATE,
  VIR_DOMAIN_STATS_VCPU,
} from '../../src/libvirt/constants.ts'
import { openLibvirt, type Libvirt, type LibvirtEvents } from '../../src/libvirt/libvirt.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'
import { until } from '../support/until.ts'

const uuid = randomUUID()
const diskBytes = 8 * 2 ** 20
let dir: string
let libvirtd: PrivateLibvirtd
let libvirt: Libvirt

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lodge-binding-'))
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(dir, 'disk.qcow2'), String(diskBytes)])
  libvirtd = await startPrivateLibvirtd({ dir })
  libvirt = await openLibvirt({ uri: libvirtd.uri })
  const { id } = await libvirt.call('domainDefineXMLFlags', { xml: domainXml() })
  assert.equal(id, -1)
})
after(async () => {
  await libvirt?.close(1000)
  await libvirtd?.stop()
  rmSync(dir, { recursive: true, force: true })
})

function domainXml(): string {
  return `<domain type='qemu'><name>guest</name><uuid>${uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='${dir}/disk.qcow2'/><target dev='vda' bus='virtio'/></disk>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
      <memballoon model='virtio'/></devices></domain>`
}

/** The records of an event of our guest, as they come. */
function records<N extends 'lifecycle' | 'reboot' | 'blockJob' | 'jobCompleted'>(
  name: N,
): LibvirtEvents[N][] {
  const list: LibvirtEvents[N][] = []
  libvirt.on(name, (record) => {
    if (record.uuid === uuid) list.push(record)
  })
  return list
}

test('the host: capabilities, domain capabilities, statistics, sysinfo', async () => {
  assert.match((await libvirt.call('connectGetCapabilities')).xml, /<arch name='x86_64'>/)
  const asked = { arch: 'x86_64', machine: 'pc', virtType: 'qemu' }
  assert.match((await libvirt.call('connectGetDomainCapabilities', asked)).xml, /<domainCapabilities>/)
  const memory = await libvirt.call('nodeGetMemoryStats', { cell: -1 })
  const kib = Object.fromEntries(memory.map(({ field, value }) => [field, value]))
  assert.equal(kib.total, Math.floor(totalmem() / 1024))
  assert.ok(kib.free! > 0 && kib.free! < kib.total)
  assert.equal((await libvirt.call('nodeGetInfo')).cpus, cpus().length)
  const version = await libvirt.call('connectGetVersion')
  assert.equal(version.driver, 'QEMU')
  assert.ok(version.hypervisor >= 5_000_000)
  const sysinfo = await libvirt.call('connectGetSysinfo', {}).catch((error: { kind: string }) => error.kind)
  // A machine without SMBIOS has none.
  assert.ok(typeof sysinfo === 'string' || /<sysinfo/.test(sysinfo.xml))
})

test('starts paused, runs, is reset, and tells of it', async () => {
  const lifecycle = records('lifecycle')
  const reboots = records('reboot')
  const { id } = await libvirt.call('domainCreateWithFlags', { uuid, flags: VIR_DOMAIN_START_PAUSED })
  assert.ok(id > 0)
  assert.equal((await libvirt.call('domainGetState', { uuid })).state, VIR_DOMAIN_PAUSED)
  await libvirt.call('domainResume', { uuid })
  await libvirt.call('domainSuspend', { uuid })
  await libvirt.call('domainResume', { uuid })
  await libvirt.call('domainInjectNMI', { uuid })
  await libvirt.call('domainReset', { uuid })
  await until('the reset', 5000, () => reboots.length > 0, 5)
  assert.equal(lifecycle[0]!.event, VIR_DOMAIN_EVENT_STARTED)
  assert.ok(lifecycle.some(({ event }) => event === VIR_DOMAIN_EVENT_SUSPENDED))
  await assert.rejects(libvirt.call('domainCreateWithFlags', { uuid }), { kind: 'conflict' })
})

test('statistics and information of a running guest', async () => {
  await libvirt.call('domainSetMemoryStatsPeriod', { uuid, seconds: 5 })
  const memory = await libvirt.call('domainMemoryStats', { uuid })
  assert.ok(memory.some(({ value }) => value === 32 * 1024))
  const disk = await libvirt.call('domainGetBlockInfo', { uuid, disk: 'vda' })
  assert.equal(disk.capacity, diskBytes)
  assert.equal((await libvirt.call('domainGetJobStats', { uuid })).type, VIR_DOMAIN_JOB_NONE)
  const [stats] = await libvirt.call('connectGetAllDomainStats', {
    stats: VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BLOCK,
  })
  assert.equal(stats?.uuid, uuid)
  assert.equal(stats.params['balloon.current'], 32 * 1024)
  assert.equal(stats.params['vcpu.current'], 1)
  assert.equal(stats.params['block.0.name'], 'vda')
})

test('a live copy of a disk: ready, then given up', async () => {
  const jobs = records('blockJob')
  const copy = join(dir, 'copy.qcow2')
  const absent = await libvirt.call('domainGetBlockJobInfo', { uuid, disk: 'vda' })
  assert.equal(absent.present, 0)
  await libvirt.call('domainBlockCopy', {
    uuid,
    disk: 'vda',
    destinationXml: `<disk type='file'><driver type='qcow2'/><source file='${copy}'/></disk>`,
    params: [{ name: 'bandwidth', type: 'ullong', value: 2 ** 30 }],
    flags: VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
  })
  await until('the copy', 10_000, () => jobs.some(({ status }) => status === VIR_DOMAIN_BLOCK_JOB_READY), 5)
  const info = await libvirt.call('domainGetBlockJobInfo', { uuid, disk: 'vda' })
  assert.equal(info.present, 1)
  assert.equal(info.type, VIR_DOMAIN_BLOCK_JOB_TYPE_COPY)
  await libvirt.call('domainBlockJobAbort', { uuid, disk: 'vda' })
  await until('its end', 10_000, () => jobs.some(({ status }) => status === VIR_DOMAIN_BLOCK_JOB_CANCELED), 5)
  assert.ok(jobs.every(({ disk }) => disk === 'vda'))
  assert.ok(existsSync(copy))
})

test('without a guest agent, what needs it is a conflict', async () => {
  // Mount points are handed on: thawing some only is what QEMU's driver does not know.
  await assert.rejects(libvirt.call('domainFSThaw', { uuid, mountpoints: ['/'] }), {
    kind: 'badRequest',
    message: /mountpoints/,
  })
  const command = { uuid, command: '{"execute":"guest-ping"}', timeoutSeconds: 1 }
  await assert.rejects(libvirt.call('domainQemuAgentCommand', command), { kind: 'conflict' })
  await assert.rejects(libvirt.call('domainFSFreeze', { uuid, mountpoints: [] }), { kind: 'conflict' })
  await assert.rejects(libvirt.call('domainFSThaw', { uuid, mountpoints: [] }), { kind: 'conflict' })
  await assert.rejects(libvirt.call('domainSetTime', { uuid, seconds: 0, nanoseconds: 0 }), {
    kind: 'conflict',
  })
})

test('saved, resumed, redefined, destroyed, undefined', async () => {
  const lifecycle = records('lifecycle')
  const completed = records('jobCompleted')
  await libvirt.call('domainManagedSave', { uuid })
  assert.deepEqual(await libvirt.call('domainGetState', { uuid }), {
    state: VIR_DOMAIN_SHUTOFF,
    reason: VIR_DOMAIN_SHUTOFF_SAVED,
  })
  assert.equal((await libvirt.call('domainHasManagedSaveImage', { uuid })).present, 1)
  await until('the job', 5000, () => completed.length > 0, 5)
  assert.ok(Number(completed[0]!.params['memory_total']) > 0)

  await libvirt.call('domainCreateWithFlags', { uuid })
  const restored = { event: VIR_DOMAIN_EVENT_STARTED, detail: VIR_DOMAIN_EVENT_STARTED_RESTORED }
  await until('the event', 5000, () =>
    lifecycle.some(({ event, detail }) => event === restored.event && detail === restored.detail),
  )
  await libvirt.call('domainDefineXMLFlags', { xml: domainXml().replace('<vcpu>1', '<vcpu>2') })
  await until('the event', 5000, () => lifecycle.some(({ event }) => event === VIR_DOMAIN_EVENT_DEFINED))
  await libvirt.call('domainDestroyFlags', { uuid })
  await assert.rejects(libvirt.call('domainDestroyFlags', { uuid }), { kind: 'conflict' })
  await libvirt.call('domainUndefineFlags', { uuid })
  assert.deepEqual(await libvirt.call('connectListAllDomains', {}), [])
  await assert.rejects(libvirt.call('domainDefineXMLFlags', { xml: '<domain' }), { kind: 'badRequest' })
})
