/**
 * What both sides of the hypervisor must do alike, as tests: the simulated one is measured by it, and so is
 * libvirt, so that the stand-in cannot drift from the real thing. Most guests here boot nothing at all; those of
 * `bootable` need an operating system that obeys the power button.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError, type ErrorKind } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import type { DomainEvent, DomainSummary, Hypervisor } from '../../src/hypervisor/hypervisor.ts'
import { powerState } from '../../src/model/server-state.ts'

export interface DomainWish {
  uuid: string
  name: string
  memoryMiB: number
  /** With Lodge's metadata element. */
  lodge: boolean
  /** With an operating system on its disk. */
  bootable: boolean
}

export interface HypervisorSide {
  hypervisor: Hypervisor
  /** The XML of a domain of one CPU with a disk `vda` of its own. */
  domainXml(wish: DomainWish): string | Promise<string>
  /** Breaks the connection and mends it again; resolves once it is broken or mended. */
  connection: { lose(): Promise<void>; mend(): Promise<void> }
  /** Resolves when the guest's operating system listens to the power button; absent: no such guest here. */
  untilBooted?(uuid: string): Promise<void>
  close(): Promise<void>
}

/** Registers the tests. `open` is called once, before them. */
export function testHypervisor(side: string, open: () => Promise<HypervisorSide>): void {
  describe(`hypervisor: ${side}`, () => {
    let at: HypervisorSide
    let hypervisor: Hypervisor
    let directory: string
    let events: DomainEvent[] = []
    const made: string[] = []

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'lodge-hypervisor-'))
      at = await open()
      hypervisor = at.hypervisor
      hypervisor.onEvent((event) => events.push(event))
    })

    after(async () => {
      for (const uuid of made) {
        await hypervisor.destroy(uuid).catch(() => {})
        await hypervisor.undefine(uuid).catch(() => {})
      }
      await at?.close()
      rmSync(directory, { recursive: true, force: true })
    })

    async function define(wish: Partial<DomainWish> = {}): Promise<string> {
      const uuid = newUuid()
      made.push(uuid)
      const xml = await at.domainXml({
        uuid,
        name: `suite-${uuid}`,
        memoryMiB: 64,
        lodge: true,
        bootable: false,
        ...wish,
      })
      await hypervisor.define(xml)
      return uuid
    }

    async function started(): Promise<string> {
      const uuid = await define()
      await hypervisor.start(uuid)
      return uuid
    }

    async function remove(uuid: string): Promise<void> {
      await hypervisor.destroy(uuid)
      await hypervisor.undefine(uuid)
    }

    async function found(uuid: string): Promise<DomainSummary> {
      const domain = await hypervisor.findDomain(uuid)
      assert.ok(domain, `no domain ${uuid}`)
      return domain
    }

    const stateOf = async (uuid: string): Promise<number> => (await found(uuid)).powerState

    const fails = (kind: ErrorKind, work: () => Promise<unknown>): Promise<void> =>
      assert.rejects(work, (error) => {
        assert.ok(error instanceof LodgeError, String(error))
        assert.equal(error.kind, kind, error.message)
        assert.notEqual(error.message, '')
        return true
      })

    /** Lifecycle events of a domain in order, as `started (booted)`, and its reboots. */
    const storyOf = (uuid: string): string[] =>
      events
        .filter((event) => event.uuid === uuid && ['lifecycle', 'reboot'].includes(event.type))
        .map((event) => (event.type === 'lifecycle' ? `${event.event} (${event.detail})` : event.type))

    /** Waits until the wanted words came in this order, whatever came between them. */
    async function untilStory(uuid: string, wanted: string[]): Promise<void> {
      const told = (): boolean => {
        let next = 0
        for (const word of storyOf(uuid)) if (word === wanted[next]) next++
        return next === wanted.length
      }
      for (const end = Date.now() + 20_000; !told(); await delay(10))
        assert.ok(Date.now() < end, `wanted ${wanted.join(', ')}; was told ${storyOf(uuid).join(', ')}`)
    }

    test('says what it can do', async () => {
      const capabilities = await hypervisor.capabilities()
      assert.ok(capabilities.onlineCpus > 0)
      assert.ok(capabilities.memoryMiB > 0)
      assert.ok(capabilities.hypervisorVersion > 1_000_000)
      assert.ok(capabilities.libvirtVersion > 1_000_000)
      assert.ok(capabilities.machineTypes.includes('pc') && capabilities.machineTypes.includes('q35'))
      assert.equal(capabilities.cpu.arch, capabilities.arch)
      assert.ok(capabilities.cpuModes.length > 0)
      assert.equal(capabilities.numaCells.flatMap(({ cpus }) => cpus).length, capabilities.onlineCpus)
      assert.match(capabilities.virtTypeReason, /\.$/)
      assert.ok((await hypervisor.memoryUsedMiB()) > 0)
      assert.equal(hypervisor.connected, true)
    })

    test('knows no domain that was not defined', async () => {
      const uuid = newUuid()
      assert.equal(await hypervisor.findDomain(uuid), undefined)
      const calls = [
        'start',
        'undefine',
        'requestShutdown',
        'requestReboot',
        'reset',
        'destroy',
        'suspend',
      ] as const
      for (const call of calls) await fails('notFound', () => hypervisor[call](uuid))
      const more = ['resume', 'managedSave', 'freeze', 'thaw', 'domainXml'] as const
      for (const call of more) await fails('notFound', () => hypervisor[call](uuid))
      const options = { format: 'raw', shallow: false } as const
      await fails('notFound', () => hypervisor.copyDisk(uuid, 'vda', join(directory, 'none'), options))
    })

    test('refuses what is not a domain', async () => {
      await assert.rejects(() => hypervisor.define('<domain>'), LodgeError)
      await assert.rejects(() => hypervisor.define('<pool/>'), LodgeError)
    })

    test('refuses a second domain of the same name, and a second name for the same domain', async () => {
      const uuid = await define()
      const wish = { memoryMiB: 64, lodge: true, bootable: false }
      const twin = await at.domainXml({ ...wish, uuid: newUuid(), name: `suite-${uuid}` })
      await fails('internal', () => hypervisor.define(twin))
      const renamed = await at.domainXml({ ...wish, uuid, name: `other-${uuid}` })
      await fails('internal', () => hypervisor.define(renamed))
      assert.equal((await found(uuid)).name, `suite-${uuid}`)
      await hypervisor.undefine(uuid)
    })

    test('a defined domain is listed, shut off, and known for ours by its metadata', async () => {
      const ours = await define()
      const other = await define({ lodge: false })
      const listed = new Map((await hypervisor.listDomains()).map((domain) => [domain.uuid, domain]))
      for (const [uuid, isLodge] of [
        [ours, true],
        [other, false],
      ] as const) {
        const expected = {
          uuid,
          name: `suite-${uuid}`,
          powerState: powerState.SHUTDOWN,
          managedSave: false,
          isLodge,
        }
        assert.deepEqual(listed.get(uuid), expected)
        assert.deepEqual(await found(uuid), expected)
        assert.ok((await hypervisor.domainXml(uuid)).includes(uuid))
        await hypervisor.undefine(uuid)
        assert.equal(await hypervisor.findDomain(uuid), undefined)
        await untilStory(uuid, ['defined (added)', 'undefined (removed)'])
      }
    })

    test('start, suspend, resume, destroy: states, refusals and events', async () => {
      const uuid = await started()
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await fails('conflict', () => hypervisor.start(uuid))
      await fails('conflict', () => hypervisor.resume(uuid))
      await hypervisor.suspend(uuid)
      assert.equal(await stateOf(uuid), powerState.PAUSED)
      await hypervisor.suspend(uuid)
      await fails('conflict', () => hypervisor.start(uuid))
      await hypervisor.resume(uuid)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await hypervisor.destroy(uuid)
      assert.equal(await stateOf(uuid), powerState.SHUTDOWN)
      await fails('conflict', () => hypervisor.destroy(uuid))
      await untilStory(uuid, [
        'defined (added)',
        'resumed (unpaused)',
        'started (booted)',
        'suspended (paused)',
        'resumed (unpaused)',
        'suspended (paused)',
        'stopped (destroyed)',
      ])
      await hypervisor.undefine(uuid)
    })

    test('a domain that is off refuses all but starting', async () => {
      const uuid = await define()
      const calls = ['suspend', 'resume', 'requestShutdown', 'requestReboot', 'reset', 'managedSave'] as const
      for (const call of calls) await fails('conflict', () => hypervisor[call](uuid))
      for (const call of ['destroy', 'freeze', 'thaw'] as const)
        await fails('conflict', () => hypervisor[call](uuid))
      const options = { format: 'raw', shallow: false } as const
      await fails('conflict', () => hypervisor.copyDisk(uuid, 'vda', join(directory, 'off'), options))
      await hypervisor.undefine(uuid)
    })

    test('starts paused when asked to', async () => {
      const uuid = await define()
      await hypervisor.start(uuid, { paused: true })
      assert.equal(await stateOf(uuid), powerState.PAUSED)
      await hypervisor.resume(uuid)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await remove(uuid)
    })

    test('managed save: off with an image, and back by a start', async () => {
      const uuid = await started()
      await hypervisor.managedSave(uuid)
      const saved = await found(uuid)
      assert.deepEqual([saved.powerState, saved.managedSave], [powerState.SHUTDOWN, true])
      await fails('conflict', () => hypervisor.managedSave(uuid))
      assert.equal((await hypervisor.listDomains()).find((domain) => domain.uuid === uuid)?.managedSave, true)
      await hypervisor.start(uuid)
      const back = await found(uuid)
      assert.deepEqual([back.powerState, back.managedSave], [powerState.RUNNING, false])
      await untilStory(uuid, ['stopped (saved)', 'started (restored)', 'resumed (from-snapshot)'])
      await remove(uuid)
    })

    test('a paused guest that is saved comes back paused', async () => {
      const uuid = await started()
      await hypervisor.suspend(uuid)
      await hypervisor.managedSave(uuid)
      await hypervisor.start(uuid)
      assert.equal(await stateOf(uuid), powerState.PAUSED)
      await untilStory(uuid, ['stopped (saved)', 'started (restored)', 'suspended (restored)'])
      await remove(uuid)
    })

    test('a saved image can be passed over, removed, and goes with the definition', async () => {
      const uuid = await started()
      await hypervisor.managedSave(uuid)
      await hypervisor.start(uuid, { discardSaved: true })
      const fresh = await found(uuid)
      assert.deepEqual([fresh.powerState, fresh.managedSave], [powerState.RUNNING, false])
      await untilStory(uuid, ['stopped (saved)', 'started (booted)'])

      await hypervisor.managedSave(uuid)
      await hypervisor.removeManagedSave(uuid)
      assert.equal((await found(uuid)).managedSave, false)
      await hypervisor.removeManagedSave(uuid)

      await hypervisor.start(uuid)
      await hypervisor.managedSave(uuid)
      await hypervisor.undefine(uuid)
      assert.equal(await hypervisor.findDomain(uuid), undefined)
    })

    test('undefined while it runs, a domain lasts as long as its guest', async () => {
      const uuid = await started()
      await hypervisor.undefine(uuid)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await hypervisor.destroy(uuid)
      assert.equal(await hypervisor.findDomain(uuid), undefined)
    })

    test('a new definition of a running domain waits for the next start', async () => {
      const uuid = await started()
      const wish = { uuid, name: `suite-${uuid}`, memoryMiB: 80, lodge: true, bootable: false }
      await hypervisor.define(await at.domainXml(wish))
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      const memoryKiB = /<memory[^>]*>(\d+)</
      assert.equal(memoryKiB.exec(await hypervisor.domainXml(uuid))?.[1], '65536')
      await hypervisor.destroy(uuid)
      assert.equal(memoryKiB.exec(await hypervisor.domainXml(uuid))?.[1], '81920')
      await hypervisor.undefine(uuid)
    })

    test('a reset guest runs on, and says that it rebooted', async () => {
      const uuid = await started()
      await hypervisor.reset(uuid)
      await untilStory(uuid, ['started (booted)', 'reboot'])
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await remove(uuid)
    })

    test('a guest without an operating system ignores requests', async () => {
      const uuid = await started()
      await hypervisor.requestShutdown(uuid)
      await delay(100)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await hypervisor.requestReboot(uuid)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await remove(uuid)
    })

    test('a guest without an agent cannot be frozen, nor its clock be set', async () => {
      const uuid = await started()
      await fails('conflict', () => hypervisor.freeze(uuid))
      await fails('conflict', () => hypervisor.agentCommand(uuid, { execute: 'guest-ping' }, 1))
      await hypervisor.syncTime(uuid)
      await remove(uuid)
    })

    test('copies a disk under a guest that runs on', async () => {
      const uuid = await started()
      for (const format of ['qcow2', 'raw'] as const) {
        const target = join(directory, `copy.${format}`)
        let ready = 0
        const atReady = async (): Promise<void> => {
          ready++
          assert.ok(statSync(target).isFile())
        }
        await hypervisor.copyDisk(uuid, 'vda', target, { format, shallow: false, atReady })
        assert.equal(ready, 1)
        assert.ok(statSync(target).size > 0)
        assert.equal(await stateOf(uuid), powerState.RUNNING)
      }
      const options = { format: 'raw', shallow: false } as const
      await assert.rejects(
        () => hypervisor.copyDisk(uuid, 'vdz', join(directory, 'no-disk'), options),
        LodgeError,
      )
      await remove(uuid)
    })

    test('ends a copy whose moment fails, and the guest can be copied again', async () => {
      const uuid = await started()
      const options = { format: 'raw', shallow: false } as const
      const atReady = async (): Promise<void> => {
        throw new LodgeError('conflict', 'not now')
      }
      const first = join(directory, 'failed')
      await fails('conflict', () => hypervisor.copyDisk(uuid, 'vda', first, { ...options, atReady }))
      await hypervisor.copyDisk(uuid, 'vda', join(directory, 'again'), options)
      await remove(uuid)
    })

    test('gives a copy up when told to, and the guest can be copied again', async () => {
      const uuid = await started()
      const options = { format: 'raw', shallow: false } as const
      const abort = new AbortController()
      const given = new LodgeError('conflict', 'no longer wanted')
      const copy = hypervisor.copyDisk(uuid, 'vda', join(directory, 'given-up'), {
        ...options,
        signal: abort.signal,
        atReady: async () => assert.fail('went on'),
      })
      abort.abort(given)
      await assert.rejects(copy, given)
      await hypervisor.copyDisk(uuid, 'vda', join(directory, 'after-it'), options)
      await remove(uuid)
    })

    test('gives statistics by group', async () => {
      const uuid = await started()
      const row = await hypervisor.domainStats(uuid, ['state', 'cpu-total', 'balloon', 'vcpu', 'block'])
      assert.equal(row['state.state'], 1)
      assert.equal(typeof row['cpu.time'], 'number')
      assert.equal(row['balloon.current'], 65_536)
      assert.equal(row['vcpu.current'], 1)
      assert.equal(typeof row['vcpu.0.time'], 'number')
      assert.equal(row['block.count'], 1)
      assert.equal(row['block.0.name'], 'vda')
      assert.equal(typeof row['block.0.wr.bytes'], 'number')
      const only = await hypervisor.domainStats(uuid, ['state'])
      assert.equal(only['cpu.time'], undefined)
      await remove(uuid)
      await assert.rejects(hypervisor.domainStats(uuid, ['state']), { kind: 'notFound' })
    })

    test('several domains at once do not get in each other’s way', async () => {
      const uuids = await Promise.all([started(), started(), started()])
      assert.deepEqual(
        await Promise.all(uuids.map(stateOf)),
        uuids.map(() => powerState.RUNNING),
      )
      await Promise.all(uuids.map(remove))
      for (const uuid of uuids) assert.equal(await hypervisor.findDomain(uuid), undefined)
    })

    test('a listener that has unsubscribed hears nothing', async () => {
      const heard: DomainEvent[] = []
      const unsubscribe = hypervisor.onEvent((event) => heard.push(event))
      const uuid = await define()
      await untilStory(uuid, ['defined (added)'])
      const before = heard.length
      assert.ok(before > 0)
      unsubscribe()
      await hypervisor.undefine(uuid)
      await untilStory(uuid, ['undefined (removed)'])
      assert.equal(heard.length, before)
    })

    test('the guest obeys the power button, and reboots when asked', async (t) => {
      if (!at.untilBooted) return t.skip('no guest with an operating system here')
      const uuid = await define({ bootable: true, memoryMiB: 128 })
      await hypervisor.start(uuid)
      await at.untilBooted(uuid)
      await hypervisor.requestReboot(uuid)
      await untilStory(uuid, ['started (booted)', 'reboot'])
      await at.untilBooted(uuid)
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      await hypervisor.requestShutdown(uuid)
      await untilStory(uuid, ['reboot', 'shutdown (guest)', 'stopped (shutdown)'])
      assert.equal(await stateOf(uuid), powerState.SHUTDOWN)
      await hypervisor.undefine(uuid)
    })

    test('what a domain must tell another host is there, and a move to nowhere leaves it as it was', async () => {
      const uuid = await started()
      const xml = await hypervisor.migratableXml(uuid, 'guest')
      const persistentXml = await hypervisor.migratableXml(uuid, 'definition')
      assert.match(xml, new RegExp(uuid))
      assert.equal(await hypervisor.domainJob(uuid), undefined)
      await fails('conflict', () => hypervisor.abortJob(uuid))
      await assert.rejects(
        hypervisor.migrate(uuid, {
          destinationUri: 'qemu+unix:///system?socket=/nowhere/libvirt-sock',
          dataAddress: null,
          xml,
          persistentXml,
          copyDisks: ['vda'],
          tls: false,
          autoConverge: true,
          postCopy: false,
          bandwidthMiBps: 0,
        }),
      )
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      assert.equal(await hypervisor.domainJob(uuid), undefined)
      await remove(uuid)
    })

    test('tells what a guest writes, also to two who ask at once, and nothing of one that is off', async () => {
      const uuid = await started()
      const [one, other] = await Promise.all([
        hypervisor.watchWrites(uuid, 1),
        hypervisor.watchWrites(uuid, 1),
      ])
      for (const writes of [one, other]) {
        assert.equal(writes.memoryBytes, 64 * 2 ** 20)
        assert.ok(writes.residentBytes > 0 && writes.residentBytes <= writes.memoryBytes)
        // Nothing but a firmware that looks for something to boot.
        assert.ok(writes.dirtyBytesPerSecond <= 16 * 2 ** 20, `${writes.dirtyBytesPerSecond}`)
        assert.equal(writes.diskBytesPerSecond, 0)
      }
      assert.equal(await hypervisor.completedMigration(uuid), undefined)
      await hypervisor.suspend(uuid)
      assert.equal((await hypervisor.watchWrites(uuid, 1)).dirtyBytesPerSecond, 0)
      await hypervisor.destroy(uuid)
      await fails('conflict', () => hypervisor.watchWrites(uuid, 1))
      await hypervisor.undefine(uuid)
      await fails('notFound', () => hypervisor.watchWrites(uuid, 1))
    })

    test('a domain that is not there has no job and nothing to move', async () => {
      await fails('notFound', () => hypervisor.domainJob(newUuid()))
      await fails('notFound', () => hypervisor.migratableXml(newUuid(), 'guest'))
    })

    test('a lost connection is noticed and mended; guests run on and are heard again', async () => {
      const uuid = await started()
      const changes: boolean[] = []
      const unsubscribe = hypervisor.onConnection((connected) => changes.push(connected))
      await at.connection.lose()
      assert.equal(hypervisor.connected, false)
      await fails('unavailable', () => hypervisor.findDomain(uuid))
      await at.connection.mend()
      assert.equal(hypervisor.connected, true)
      assert.deepEqual(changes, [false, true])
      assert.equal(await stateOf(uuid), powerState.RUNNING)
      events = []
      await hypervisor.suspend(uuid)
      await untilStory(uuid, ['suspended (paused)'])
      unsubscribe()
      await remove(uuid)
    })
  })
}
