import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { readFile, readdir, rm, stat } from 'node:fs/promises'
import { cpus, hostname, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { XMLBuilder } from 'fast-xml-parser'
import type { ServerDisk } from '../../src/agent/disk/disks.ts'
import { domainXml } from '../../src/agent/domain-xml/domain-xml.ts'
import { systemClock } from '../../src/base/clock.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { DomainEvent, Hypervisor } from '../../src/hypervisor/hypervisor.ts'
import { openLibvirtHypervisor } from '../../src/hypervisor/libvirt/libvirt-hypervisor.ts'
import { powerState } from '../../src/model/server-state.ts'
import { buildGuestImage, type GuestImage } from '../guest/build-guest-image.ts'
import { plainSpec } from '../support/domain-inputs.ts'
import { testHypervisor, type DomainWish } from '../support/hypervisor-suite.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
let dir: string
let libvirtd: PrivateLibvirtd
let image: GuestImage

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lodge-libvirt-'))
  image = await buildGuestImage({ directory: join(dir, 'image') })
  libvirtd = await startPrivateLibvirtd({ dir })
})

after(async () => {
  await libvirtd?.stop()
  rmSync(dir, { recursive: true, force: true })
})

const open = (): Promise<Hypervisor> =>
  openLibvirtHypervisor({ uri: libvirtd.uri, virtType: 'auto', clock: systemClock, log: silentLogger() })

testHypervisor('libvirt', async () => {
  const hypervisor = await open()
  return {
    hypervisor,
    domainXml: (wish) => makeDomain(hypervisor, wish),
    connection: {
      async lose() {
        await libvirtd.kill9()
        await until('the connection to be lost', 10_000, () => !hypervisor.connected, 5)
      },
      async mend() {
        await libvirtd.restart()
        await until('the connection to be back', 20_000, () => hypervisor.connected, 5)
      },
    },
    untilBooted,
    close: () => hypervisor.close(),
  }
})

describe('libvirt alone', () => {
  let hypervisor: Hypervisor
  const events: DomainEvent[] = []

  before(async () => {
    hypervisor = await open()
    hypervisor.onEvent((event) => events.push(event))
  })

  after(() => hypervisor?.close())

  async function define(wish: Partial<DomainWish> = {}): Promise<string> {
    const uuid = newUuid()
    const whole = { uuid, name: uuid, memoryMiB: 128, lodge: true, bootable: true, ...wish }
    await hypervisor.define(await makeDomain(hypervisor, whole))
    return uuid
  }

  test('what the host can do is what the machine says', async () => {
    const capabilities = await hypervisor.capabilities()
    assert.equal(capabilities.arch, 'x86_64')
    assert.equal(capabilities.hostname, hostname())
    assert.equal(capabilities.onlineCpus, cpus().length)
    assert.equal(capabilities.memoryMiB, Math.floor(totalmem() / 2 ** 20))
    assert.ok((await hypervisor.memoryUsedMiB()) < capabilities.memoryMiB)
    assert.match(capabilities.emulator, /^\/.*qemu-system-x86_64$/)
    assert.ok(capabilities.cpuModes.includes('maximum') && capabilities.cpuModes.includes('custom'))
    const { sockets, cores, threads } = capabilities.cpu
    assert.equal(sockets * cores * threads, cpus().length)
    const flags = /^flags\s*:(.*)$/m.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1] ?? ''
    if (!/\b(vmx|svm)\b/.test(flags)) {
      assert.equal(capabilities.virtType, 'qemu')
      assert.match(capabilities.virtTypeReason, /neither vmx nor svm/)
      assert.ok(!capabilities.cpuModes.includes('host-passthrough'))
    }
  })

  test('a setting decides how guests run, and the CPU modes follow it', async () => {
    for (const virtType of ['kvm', 'qemu'] as const) {
      const forced = await openLibvirtHypervisor({
        uri: libvirtd.uri,
        virtType,
        clock: systemClock,
        log: silentLogger(),
      })
      const capabilities = await forced.capabilities()
      await forced.close()
      assert.equal(capabilities.virtType, virtType)
      assert.match(capabilities.virtTypeReason, /setting agent.virtType/)
      if (virtType === 'qemu') assert.ok(!capabilities.cpuModes.includes('host-passthrough'))
    }
  })

  test('a busy guest’s disk is copied, the copy boots, and the guest’s end is quick', async () => {
    const uuid = await define()
    await hypervisor.start(uuid)
    await untilBooted(uuid)
    const copy = join(dir, 'copy.qcow2')
    await hypervisor.copyDisk(uuid, 'vda', copy, { format: 'qcow2', shallow: false })
    assert.deepEqual(
      events.filter((event) => event.uuid === uuid && event.type === 'block-job'),
      [
        { type: 'block-job', uuid, disk: 'vda', status: 'ready' },
        { type: 'block-job', uuid, disk: 'vda', status: 'canceled' },
      ],
    )
    const started = performance.now()
    await hypervisor.destroy(uuid)
    const ms = performance.now() - started
    // SIGTERM to a guest that computes takes QEMU more than a second.
    assert.ok(ms < 600, `destroying took ${Math.round(ms)} ms`)

    await run('qemu-img', ['check', '-q', '-f', 'qcow2', copy])
    const { stdout } = await run('qemu-img', ['info', '--output=json', '-f', 'qcow2', copy])
    const { 'backing-filename': backing, 'virtual-size': size } = JSON.parse(stdout)
    assert.deepEqual([backing, size], [undefined, image.virtualSizeBytes])

    // Under the same name, with the copy as its disk.
    await run('mv', [copy, diskOf(uuid)])
    await hypervisor.start(uuid)
    await untilBooted(uuid)
    assert.match(await readFile(consoleOf(uuid), 'utf8'), /^boot 2\r$/m)
    await hypervisor.destroy(uuid)
    await hypervisor.undefine(uuid)
  })

  test('a copy whose agent ended does not stand in the way of the next', async () => {
    const uuid = await define({ bootable: false })
    await hypervisor.start(uuid)
    const how = { format: 'raw', shallow: false } as const
    const other = await open()
    const ready = Promise.withResolvers<void>()
    const atReady = (): Promise<void> => {
      ready.resolve()
      return new Promise(() => {})
    }
    other.copyDisk(uuid, 'vda', join(dir, 'cut-off'), { ...how, atReady }).catch(ready.reject)
    await ready.promise
    await other.close()
    await hypervisor.copyDisk(uuid, 'vda', join(dir, 'whole'), how)
    await hypervisor.destroy(uuid)
    await hypervisor.undefine(uuid)
  })

  test('a copy that libvirtd did not live to see the end of is ended when there is one again', async () => {
    const uuid = await define({ bootable: false })
    await hypervisor.start(uuid)
    const copy = hypervisor.copyDisk(uuid, 'vda', join(dir, 'orphan'), {
      format: 'raw',
      shallow: false,
      atReady: () => libvirtd.kill9(),
    })
    await assert.rejects(copy, { kind: 'unavailable' })
    await libvirtd.restart()
    const isIdle = async (): Promise<boolean> => {
      const { stdout } = await run('virsh', ['-q', '-c', libvirtd.uri, 'blockjob', uuid, 'vda', '--raw'])
      return stdout.trim() === ''
    }
    await until('the end of the copy', 20_000, isIdle)
    await hypervisor.destroy(uuid)
    await hypervisor.undefine(uuid)
  })

  test('a copy under way is given up at once', async () => {
    const uuid = await define({ bootable: false })
    const bytes = 512 * 2 ** 20
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', diskOf(uuid), `${bytes}`])
    await run('qemu-io', ['-f', 'qcow2', '-c', `write -P 1 0 ${bytes}`, diskOf(uuid)])
    await hypervisor.start(uuid)
    const abort = new AbortController()
    const target = join(dir, 'long-copy')
    const how = { format: 'raw', shallow: false, signal: abort.signal } as const
    const copy = hypervisor.copyDisk(uuid, 'vda', target, how)
    await until('the copy to begin', 10_000, () => existsSync(target), 1)
    abort.abort(new LodgeError('conflict', 'no longer wanted'))
    await assert.rejects(copy, { message: 'no longer wanted' })
    assert.ok((await stat(target)).blocks * 512 < bytes)
    await hypervisor.destroy(uuid)
    await hypervisor.undefine(uuid)
    await rm(diskOf(uuid))
  })

  test('events of a guest’s life, each with its details and the power after it', async () => {
    const uuid = await define({ bootable: false })
    await hypervisor.start(uuid)
    await hypervisor.suspend(uuid)
    await hypervisor.managedSave(uuid)
    await hypervisor.start(uuid)
    await hypervisor.resume(uuid)
    await hypervisor.destroy(uuid, { graceful: true })
    await hypervisor.undefine(uuid)
    const lifecycle = (): string[] =>
      events
        .filter((event) => event.type === 'lifecycle')
        .filter((event) => event.uuid === uuid)
        .map(({ event, detail, powerState }) => `${event} ${detail} ${powerState}`)
    await until('the last event', 5000, () => lifecycle().at(-1)?.startsWith('undefined'), 10)
    const { RUNNING, PAUSED, SHUTDOWN } = powerState
    assert.deepEqual(lifecycle(), [
      `defined added ${SHUTDOWN}`,
      `resumed unpaused ${RUNNING}`,
      `started booted ${RUNNING}`,
      `suspended paused ${PAUSED}`,
      `stopped saved ${SHUTDOWN}`,
      `started restored ${RUNNING}`,
      `suspended restored ${PAUSED}`,
      `resumed unpaused ${RUNNING}`,
      `shutdown host ${SHUTDOWN}`,
      `stopped destroyed ${SHUTDOWN}`,
      `undefined removed ${SHUTDOWN}`,
    ])
  })

  test('a QEMU that dies leaves its domain shut off, and can be started again', async () => {
    const uuid = await define({ bootable: false })
    await hypervisor.start(uuid)
    process.kill(await qemuOf(uuid), 'SIGKILL')
    const stopped = await until('its end', 10_000, () =>
      events.find((event) => event.uuid === uuid && event.type === 'lifecycle' && event.event === 'stopped'),
    )
    assert.deepEqual(stopped, {
      type: 'lifecycle',
      uuid,
      event: 'stopped',
      detail: 'failed',
      powerState: powerState.SHUTDOWN,
    })
    assert.equal((await hypervisor.findDomain(uuid))?.powerState, powerState.SHUTDOWN)
    await hypervisor.start(uuid)
    await hypervisor.destroy(uuid)
    await hypervisor.undefine(uuid)
  })

  test('a QEMU that hangs is killed, and what waits for it is let go', async () => {
    const uuid = await define({ bootable: false })
    await hypervisor.start(uuid)
    process.kill(await qemuOf(uuid), 'SIGSTOP')
    const waiting = assert.rejects(hypervisor.suspend(uuid), LodgeError)
    assert.equal((await hypervisor.findDomain(uuid))?.powerState, powerState.RUNNING)
    await hypervisor.destroy(uuid)
    await waiting
    assert.equal((await hypervisor.findDomain(uuid))?.powerState, powerState.SHUTDOWN)
    await hypervisor.undefine(uuid)
  })

  test('a domain becomes ours, and ceases to be, with its metadata', async () => {
    const uuid = newUuid()
    const wish = { uuid, name: uuid, memoryMiB: 64, bootable: false }
    for (const lodge of [false, true, false]) {
      await hypervisor.define(await makeDomain(hypervisor, { ...wish, lodge }))
      assert.equal((await hypervisor.findDomain(uuid))?.isLodge, lodge)
    }
    await hypervisor.undefine(uuid)
  })
})

const diskOf = (uuid: string): string => join(dir, `${uuid}.qcow2`)
const consoleOf = (uuid: string): string => join(dir, `${uuid}.log`)

/** Ours as the agent writes it, others as small as libvirt takes it. Makes the disk, if it is not there. */
async function makeDomain(hypervisor: Hypervisor, wish: DomainWish): Promise<string> {
  const backing = wish.bootable ? { file: image.path, format: image.format } : null
  const sizeBytes = wish.bootable ? image.virtualSizeBytes : 8 << 20
  const base = backing ? ['-b', backing.file, '-F', backing.format] : []
  const file = diskOf(wish.uuid)
  if (!existsSync(file)) await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...base, file, `${sizeBytes}`])
  if (!wish.lodge) return foreignDomain(wish)
  const disk: ServerDisk = {
    file,
    format: 'qcow2',
    role: 'root',
    sizeBytes,
    backing,
    directIo: false,
    bus: 'virtio',
    target: 'vda',
  }
  return domainXml({
    spec: {
      ...plainSpec,
      id: wish.uuid,
      domainName: wish.name,
      flavor: { ...plainSpec.flavor, memoryMiB: wish.memoryMiB },
    },
    disks: { disks: [disk] },
    capabilities: await hypervisor.capabilities(),
    settings: { ...defaultConfig.agent, vnc: { enabled: false, listen: '127.0.0.1' } },
    consoleLogPath: consoleOf(wish.uuid),
  }).xml
}

/** The process id of a guest's QEMU, found by the name of its domain. */
async function qemuOf(name: string): Promise<number> {
  for (const pid of await readdir('/proc')) {
    const text = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : ''
    const [program = '', ...args] = text.split('\0')
    if (/qemu-system/.test(program) && args.some((arg) => arg.startsWith(`guest=${name},`)))
      return Number(pid)
  }
  return assert.fail(`no QEMU runs ${name}`)
}

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@' })

function foreignDomain({ uuid, name, memoryMiB }: DomainWish): string {
  return builder.build({
    domain: {
      '@type': 'qemu',
      name,
      uuid,
      memory: memoryMiB * 1024,
      vcpu: 1,
      os: { type: { '@arch': 'x86_64', '#text': 'hvm' } },
      devices: {
        disk: {
          '@type': 'file',
          driver: { '@name': 'qemu', '@type': 'qcow2' },
          source: { '@file': diskOf(uuid) },
          target: { '@dev': 'vda', '@bus': 'virtio' },
        },
      },
    },
  })
}

/** Logins that were seen already, by guest: a new QEMU begins a new log, a guest that reboots goes on in the old. */
const logins = new Map<string, number>()

async function untilBooted(uuid: string): Promise<void> {
  await until('the guest to boot', 60_000, async () => {
    const seen = logins.get(uuid) ?? 0
    const text = await readFile(consoleOf(uuid), 'latin1').catch(() => '')
    const count = [...text.matchAll(/^lodge-guest login: /gm)].length
    const more = count > seen
    logins.set(uuid, count)
    return more
  })
  // The power button's listener has started before the login, and has yet to find its button.
  await delay(200)
}
