/** Hosts of a lab: separate, connected, crashing and coming back, and gone without a trace. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Lab, LabHost } from '../../src/lab/lab.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { until } from '../support/until.ts'
import { guestsOn, makePool, startBlankGuest } from './blank-guest.ts'
import { marksOf, tracesOf } from './traces.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-lab-'))
let lab: Lab
let [one, two, three]: LabHost[] = []

describe('a lab of three hosts', { timeout: 240_000 }, () => {
  before(async () => {
    const begin = Date.now()
    lab = await startLab({ hosts: 3, directory })
    ;[one, two, three] = lab.hosts
    const seconds = (Date.now() - begin) / 1000
    // Where nothing is cached yet, libvirtd takes up to half a minute to look at the emulators.
    assert.ok(seconds < 60, `three hosts took ${seconds} s`)
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('each has a name, an id, an address and files of its own', async () => {
    for (const host of lab.hosts) {
      assert.equal((await host.exec(['virsh', '-q', 'hostname'])).stdout.trim(), host.name)
      await host.exec(['sh', '-c', 'hostname > /var/lib/libvirt/who; hostname > /run/who'])
    }
    const uuids = await Promise.all(lab.hosts.map(uuidOf))
    assert.equal(new Set(uuids).size, 3)
    for (const host of lab.hosts)
      assert.equal(
        (await host.exec(['cat', '/var/lib/libvirt/who', '/run/who'])).stdout,
        `${host.name}\n${host.name}\n`,
      )
  })

  test('each reaches every other by name and by address', async () => {
    for (const from of lab.hosts)
      for (const to of lab.hosts)
        for (const target of [to.name, to.address])
          assert.equal(
            (await from.exec(['virsh', '-q', '-c', `qemu+tcp://${target}/system`, 'hostname'])).stdout.trim(),
            to.name,
          )
  })

  test('the machine is not on their network', async () => {
    assert.equal(await pings(one, two), true)
    const routes = (await one!.exec(['ip', 'route'])).stdout.trim().split('\n')
    assert.deepEqual(
      routes.filter((line) => !line.startsWith('10.77.0.0/24')),
      [],
    )
  })

  test('a guest migrates alive from one to the other, with its disk', async () => {
    await makePool(one!)
    await makePool(two!)
    await startBlankGuest(one!, 'traveller')
    const to = `qemu+tcp://${two!.address}/system`
    await one!.exec(['virsh', '-q', 'migrate', '--live', '--p2p', '--copy-storage-all', 'traveller', to])
    assert.deepEqual(await guestsOn(one!), [])
    assert.deepEqual(await guestsOn(two!), ['traveller'])
  })

  test('a program runs on a host until it is told to end', async () => {
    const { child, signal } = three!.spawn([
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; echo hi; while :; do sleep 0.1; done',
    ])
    let out = ''
    child.stdout?.on('data', (chunk) => (out += chunk))
    await until('its first line', 10_000, () => out === 'hi\n')
    assert.equal(signal('SIGTERM'), true)
    const [status] = await once(child, 'close')
    assert.deepEqual([status, out], [3, 'hi\nbye\n'])
    assert.equal(signal('SIGTERM'), false)
  })

  test('what fails on a host says so', async () => {
    await assert.rejects(one!.exec(['sh', '-c', 'echo no >&2; exit 4']), {
      kind: 'unavailable',
      message: 'host1: sh -c echo no >&2; exit 4 failed (4): no',
    })
    await assert.rejects(one!.exec(['sleep', '30'], { timeout: 300 }), { kind: 'timeout' })
    await until('the sleeper to end', 5000, async () => !(await programsOn(one!)).includes('sleep 30'))
  })

  test('what a host is to keep running runs again after its end, and after a crash of the host', async () => {
    three!.keepRunning(['sh', '-c', 'echo "$1" "$2"; sleep 0.2', 'sh', 'two words', '$HOME'])
    const log = join(three!.directory, 'log/service.log')
    const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '')
    await until('a second run', 10_000, () => said().startsWith('two words $HOME\ntwo words $HOME\n'))
    await three!.kill()
    rmSync(log)
    await three!.start()
    await until('a run in the next life', 10_000, () => said().startsWith('two words $HOME\n'))
  })

  test('libvirtd that is killed runs again, and its guests run on', async () => {
    const libvirtd = two!.service('libvirtd')
    const before = libvirtd.pid()
    await libvirtd.kill()
    await until('another libvirtd', 10_000, () => {
      const now = libvirtd.pid()
      return now !== undefined && now !== before
    })
    await until('it to answer', 20_000, () =>
      guestsOn(two!).then(
        (names) => names.includes('traveller'),
        () => false,
      ),
    )
    assert.equal(lab.service('controller').pid(), undefined)
    await assert.rejects(lab.service('controller').kill(), { kind: 'conflict', message: /does not run/ })
  })

  test('a host that crashes takes its guests with it at once, and leaves the others alone', async () => {
    const { child } = two!.spawn(['sleep', '600'])
    const ended = once(child, 'close')
    const begin = Date.now()
    await two!.kill()
    assert.ok(Date.now() - begin < 2000)
    assert.equal(two!.isUp(), false)
    await ended
    await assert.rejects(two!.exec(['true']), { kind: 'conflict', message: /host2 is down/ })
    assert.equal(await pings(one, two), false)
    assert.equal(await pings(one, three), true)
    await two!.kill() // a second time does no harm
  })

  test('it comes back with its disks, its identity and no guest', async () => {
    await two!.start()
    assert.equal(two!.isUp(), true)
    assert.deepEqual(await guestsOn(two!), [])
    assert.match((await two!.exec(['ls', '/var/lib/libvirt/images'])).stdout, /traveller\.qcow2/)
    assert.equal(
      (await two!.exec(['sh', '-c', 'test ! -e /run/who && cat /var/lib/libvirt/who'])).stdout,
      'host2\n',
    )
    assert.equal(await pings(one, two), true)
    await assert.rejects(two!.start(), { kind: 'conflict', message: /up already/ })
    await startBlankGuest(two!, 'second-life')
    assert.deepEqual(await guestsOn(two!), ['second-life'])
  })

  test('a cut link separates a host that runs on; mended, it is back', async () => {
    await two!.cut()
    assert.equal(await two!.isCut(), true)
    assert.equal(await pings(one, two), false)
    assert.equal(await pings(one, three), true)
    assert.deepEqual(await guestsOn(two!), ['second-life'])
    await two!.mend()
    assert.equal(await two!.isCut(), false)
    await until('the link', 10_000, () => pings(one, two))
  })

  test('a second lab in the same directory is refused; another directory is another lab', async () => {
    await assert.rejects(startLab({ hosts: 1, directory }), {
      kind: 'conflict',
      message: /runs in .* already/,
    })
    const elsewhere = await startLab({ hosts: 1, directory: `${directory}-b` })
    try {
      assert.notEqual(await uuidOf(elsewhere.hosts[0]!), await uuidOf(one!))
    } finally {
      await elsewhere.stop()
    }
    assert.equal(existsSync(`${directory}-b`), false)
    assert.equal(await pings(one, two), true)
  })

  test('nothing is left of it after its end', async () => {
    const marks = marksOf(lab)
    assert.ok(marks.namespaces.length >= 4 * 4)
    assert.ok(tracesOf(marks).length > 0)
    await lab.stop()
    assert.deepEqual(tracesOf(marks), [])
    assert.equal(existsSync(directory), false)
    await lab.stop()
  })
})

async function uuidOf(host: LabHost): Promise<string> {
  const { stdout } = await host.exec(['virsh', '-q', 'capabilities'])
  return /<uuid>(.+?)<\/uuid>/.exec(stdout)?.[1] ?? ''
}

async function programsOn(host: LabHost): Promise<string> {
  return (await host.exec(['busybox', 'ps', '-o', 'args'])).stdout
}

async function pings(from: LabHost | undefined, to: LabHost | undefined): Promise<boolean> {
  return from!.exec(['busybox', 'ping', '-c', '1', '-W', '1', to!.address]).then(
    () => true,
    () => false,
  )
}
