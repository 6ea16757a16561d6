/** A host of a lab dies with servers on it: they come to life elsewhere, and nothing runs twice when it is back. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import { startCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import { until } from '../support/until.ts'
import { labServers, watchForTwins, type LabServers } from './lab-servers.ts'

describe('evacuation in a lab, each host with disks of its own', { timeout: 500_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-evac-'))
  let lab: Lab
  let servers: LabServers
  const ids: string[] = []

  before(async () => {
    lab = await startLab({ hosts: 3, directory })
    const cloud = await startCloud(lab, { agent: { resumeGuestsOnHostBoot: true } })
    servers = await labServers(lab, cloud)
    for (const name of ['one', 'two']) ids.push(await servers.create(name, 'host1'))
    for (const id of ids) await servers.reach(id, 'ACTIVE')
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('builds the servers of a dead host anew, and the host that returns has nothing of them', async () => {
    const [host] = lab.hosts
    const disks = join(host!.directory, 'lib/lodge/agent/servers')
    assert.deepEqual(readdirSync(disks).sort(), [...ids].sort())
    const stopWatching = watchForTwins(lab, ids)
    await host!.kill()
    await servers.forceDown('host1', true)
    for (const id of ids) await servers.act(id, { evacuate: {} })
    for (const id of ids) await servers.reach(id, 'ACTIVE', (name) => name !== 'host1')
    assert.equal(readdirSync(disks).length, 2, 'the dead host still has its own')

    await host!.start()
    await servers.forceDown('host1', false)
    await until('the returned host to be cleaned', 120_000, () => readdirSync(disks).length === 0)
    await until('the evacuations to be complete', 30_000, () => evacuationsAre(servers, 'completed'))
    const { stdout } = await host!.exec(['virsh', '-q', 'list', '--all', '--name'])
    assert.equal(stdout.trim(), '')
    for (const id of ids) {
      const { host: home } = await servers.show(id)
      assert.deepEqual(await servers.runningOn(id), [home])
    }
    const { twins, looks } = await stopWatching()
    assert.deepEqual(twins, [])
    assert.ok(looks > 5)
    assert.deepEqual(await violations(lab), [])
  })

  it('cannot end the guests of a host that only lost its link, but does once that is heard again', async () => {
    const id = ids[0]!
    const { host: name } = await servers.show(id)
    const cut = lab.hosts.find((host) => host.name === name)!
    const disk = join(cut.directory, 'lib/lodge/agent/servers', id)
    await cut.cut()
    await servers.forceDown(name, true)
    await servers.act(id, { evacuate: {} })
    const home = await servers.reach(id, 'ACTIVE', (host) => host !== name)
    assert.deepEqual(await servers.runningOn(id), [name, home].sort())

    await cut.mend()
    await until('the old guest to be gone', 90_000, async () => {
      const running = await servers.runningOn(id)
      return running.length === 1 && running[0] === home && !existsSync(disk)
    })
    await until('the evacuation to be complete', 30_000, () => evacuationsAre(servers, 'completed'))
    await servers.forceDown(name, false)
    assert.deepEqual(await violations(lab), [])
  })
})

describe('evacuation in a lab on shared storage', { timeout: 600_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-evac-'))
  const fenced = join(directory, 'fenced')
  const mayFence = join(directory, 'may-fence')
  const instances = join(directory, 'cloud/instances/servers')
  let lab: Lab
  let servers: LabServers
  const ids: string[] = []

  before(async () => {
    lab = await startLab({ hosts: 3, directory })
    const fence = join(directory, 'fence.sh')
    writeFileSync(fence, `echo "$1" >>${fenced}; [ -e ${mayFence} ]\n`)
    writeFileSync(mayFence, '')
    const cloud = await startCloud(lab, {
      sharedStorage: true,
      agent: { resumeGuestsOnHostBoot: true },
      controller: {
        hosts: { downAfterSeconds: 25 },
        fleet: { autoEvacuate: true, evacuateAfterSeconds: 30, fenceCommand: ['sh', fence, '{host}'] },
      },
    })
    servers = await labServers(lab, cloud)
    for (const name of ['one', 'two']) ids.push(await servers.create(name, 'host1'))
    for (const id of ids) await servers.reach(id, 'ACTIVE')
    for (const id of ids) await untilSaid(servers, id, /^boot 1$/m)
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const ownerOf = (id: string): string =>
    JSON.parse(readFileSync(join(instances, id, 'owner'), 'utf8')).host as string
  /** Also beside a guest that runs: it reads only, and takes no lock. */
  const qemuIo = (id: string, command: string): void => {
    const way = command.startsWith('read') ? ['-r', '-U'] : []
    const words = [...way, '-f', 'qcow2', '-c', command, join(instances, id, 'disk')]
    const said = execFileSync('qemu-io', words, { encoding: 'utf8', timeout: 30_000 })
    assert.doesNotMatch(said, /failed/)
  }
  const inodeOf = (id: string): number => statSync(join(instances, id, 'disk')).ino

  it('by itself, once the fence command said that the host is off: the servers go on with the disks they had', async () => {
    const inodes = ids.map(inodeOf)
    const stopWatching = watchForTwins(lab, ids)
    await lab.hosts[0]!.kill()
    // What a guest has written last is lost with a crash if it did not ask for a flush, so the test writes itself.
    for (const id of ids) qemuIo(id, 'write -P 0x5a 100M 1M')
    for (const id of ids) await servers.reach(id, 'ACTIVE', (name) => name !== 'host1')
    assert.match(readFileSync(fenced, 'utf8'), /^host1$/m)
    for (const id of ids) qemuIo(id, 'read -P 0x5a 100M 1M')
    assert.deepEqual(ids.map(inodeOf), inodes)

    await lab.hosts[0]!.start()
    await until('the evacuations to be complete', 120_000, () => evacuationsAre(servers, 'completed'))
    await servers.forceDown('host1', false)
    const { stdout } = await lab.hosts[0]!.exec(['virsh', '-q', 'list', '--all', '--name'])
    assert.equal(stdout.trim(), '')
    for (const id of ids) {
      const { host } = await servers.show(id)
      assert.deepEqual([await servers.runningOn(id), ownerOf(id)], [[host], host])
    }
    assert.deepEqual(ids.map(inodeOf), inodes)
    const { twins } = await stopWatching()
    assert.deepEqual(twins, [])
    assert.deepEqual(await violations(lab), [])
  })

  it('from a host that only lost its link: its guests end before those elsewhere begin', async () => {
    rmSync(mayFence)
    const id = ids[0]!
    const { host: name } = await servers.show(id)
    const cut = lab.hosts.find((host) => host.name === name)!
    const there = ids.filter((_, index) => index === 0 || ownerOf(ids[index]!) === name)
    const stopWatching = watchForTwins(lab, ids)
    await cut.cut()
    await servers.forceDown(name, true)
    for (const one of there) await servers.act(one, { evacuate: {} })
    for (const one of there) await servers.reach(one, 'ACTIVE', (host) => host !== name)
    assert.deepEqual((await stopWatching()).twins, [])

    const inodes = ids.map(inodeOf)
    await cut.mend()
    await servers.forceDown(name, false)
    await until('the evacuations to be complete', 120_000, () => evacuationsAre(servers, 'completed'))
    const { stdout } = await cut.exec(['virsh', '-q', 'list', '--all', '--uuid'])
    for (const one of there) {
      assert.ok(!stdout.includes(one))
      const { status, host } = await servers.show(one)
      assert.equal(status, 'ACTIVE')
      assert.deepEqual([await servers.runningOn(one), ownerOf(one)], [[host], host])
    }
    assert.deepEqual(ids.map(inodeOf), inodes)
    for (const one of there) {
      qemuIo(one, 'read -P 0x5a 100M 1M')
      await untilSaid(servers, one, /^lodge-guest login:.*tick 1$/ms)
    }
    assert.deepEqual(await violations(lab), [])
  })
})

async function untilSaid(servers: LabServers, id: string, words: RegExp): Promise<void> {
  await until(
    `the guest to say ${words}`,
    180_000,
    async () => words.test(clean(await servers.console(id))),
    1000,
  )
}

const clean = (text: string): string => text.replaceAll('\r', '')

async function evacuationsAre(servers: LabServers, status: string): Promise<boolean> {
  const { migrations } = (await servers.api.must('GET', '/compute/v2.1/os-migrations')).body
  return migrations.every((one: { status: string }) => one.status === status)
}

/** What the controller's store says of servers and allocations, read beside it. */
async function violations(lab: Lab): Promise<string[]> {
  const path = join(lab.directory, 'cloud/state/lodge.db')
  const store = await openSqliteStore({ path, readOnly: true })
  try {
    return await findViolations(store.db)
  } finally {
    await store.close()
  }
}
