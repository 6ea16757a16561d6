/** `lodge host drain` against a controller with hosts that it moves servers off, also one that is killed meanwhile. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { freePort } from '../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../support/lodge-process.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'lodge-drain-'))
const state = join(directory, 'state')
const host = 'simulated-1'

interface Ending {
  status: number | null
  out: string
  err: string
}

describe('lodge host drain', { timeout: 240_000 }, () => {
  let lodge: LodgeProcess
  let api: OpenStackApi
  let port: number
  let [imageRef, flavorRef] = ['', '']

  const start = async (): Promise<void> => {
    const settings = join(directory, 'lodge.json')
    // A migration makes many calls of the hypervisor, so that a drain takes its time.
    const quota = { instances: 1000, cores: 1000, ramMiB: 1_000_000 }
    const simulate = { hosts: 4, latencyMs: 150 }
    writeFileSync(settings, JSON.stringify({ quota, simulate, fleet: { drainParallel: 2 } }))
    lodge = await startLodge({ state, port, flags: ['--config', settings] })
    api = await login(lodge.cloudsFile, lodge.url)
  }
  const drain = (
    ...words: string[]
  ): { child: ChildProcess; ending: Promise<Ending>; said: () => string } => {
    const child = spawn(process.execPath, [main, 'host', 'drain', ...words, '--state', state], {
      timeout: 200_000,
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    const ending = new Promise<Ending>((resolve) =>
      child.once('close', (status) => resolve({ status, out, err })),
    )
    return { child, ending, said: () => out + err }
  }
  const create = async (name: string, zone?: string): Promise<string> => {
    const placed = zone === undefined ? {} : { availability_zone: zone }
    const server = { name, imageRef, flavorRef, networks: 'none', ...placed }
    return (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
  }
  const servers = async (): Promise<{ id: string; status: string; host: string }[]> => {
    const { body } = await api.must('GET', '/compute/v2.1/servers/detail?all_tenants=1')
    return body.servers.map((one: Record<string, string>) => ({
      id: one['id'],
      status: one['status'],
      host: one['OS-EXT-SRV-ATTR:host'],
    }))
  }
  const allActive = (): Promise<boolean> =>
    until('all servers to be ACTIVE', 60_000, async () =>
      (await servers()).every(({ status }) => status === 'ACTIVE'),
    )

  before(async () => {
    port = await freePort()
    await start()
    const wanted = { name: 'tiny', disk_format: 'qcow2', container_format: 'bare', visibility: 'public' }
    imageRef = (await api.must('POST', '/image/v2/images', wanted)).body.id
    await api.must('PUT', `/image/v2/images/${imageRef}/file`, tinyQcow2())
    const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
    flavorRef = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  })
  after(async () => {
    await lodge?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('empties a host of ten while two creates a second go on and the controller is killed', async () => {
    const asked: string[] = []
    for (let i = 0; i < 10; i += 1) asked.push(await create(`there-${i}`, `nova:${host}`))
    await allActive()
    const run = drain(host)
    await until('the drain to begin', 30_000, () => run.said().includes('servers left'))

    const later: string[] = []
    const creating = new AbortController()
    const load = (async () => {
      while (!creating.signal.aborted) {
        const [begun] = [Date.now()]
        // While nobody answers nothing is promised.
        await create(`later-${later.length}`).then(
          (id) => later.push(id),
          () => undefined,
        )
        await delay(Math.max(0, 500 - (Date.now() - begun)))
      }
    })()
    await until('some to have moved', 60_000, async () => (await onHost()) <= 8)
    assert.ok((await onHost()) > 0, 'the drain is under way')
    await lodge.kill9()
    await delay(3000)
    await start()
    const { status, out, err } = await run.ending
    creating.abort()
    await load

    assert.equal(status, 0, out + err)
    assert.match(out, /simulated-1: \d+ servers left, [12] of them on their way/)
    assert.doesNotMatch(out, /([3-9]|\d\d) of them on their way/)
    assert.match(out, /simulated-1 is empty, and stays so until lodge host drain simulated-1 --stop/)
    assert.match(err, /no controller answers; asking on/)
    await allActive()
    const now = await servers()
    assert.deepEqual(now.map(({ id }) => id).sort(), [...asked, ...later].sort(), 'none is lost')
    assert.deepEqual(
      now.filter((one) => one.host === host),
      [],
    )
    assert.ok(later.length >= 4, `${later.length} were created`)
  })

  test('says that it is empty at once where it is, and lets servers come again after --stop', async () => {
    const again = await drain(host).ending
    assert.deepEqual([again.status, again.err], [0, ''])
    const stopped = await drain(host, '--stop').ending
    assert.deepEqual([stopped.status, stopped.out], [0, `Servers may be placed on ${host} again.\n`])
    const id = await create('back', `nova:${host}`)
    await allActive()
    assert.equal((await servers()).find((one) => one.id === id)!.host, host)
  })

  test('with --no-wait only begins it; a server that cannot be moved stays, with status 1', async () => {
    const id = (await servers()).find((one) => one.host === host)!.id
    await api.must('POST', `/compute/v2.1/servers/${id}/action`, { suspend: null })
    await until('the suspend', 30_000, async () =>
      (await servers()).some((one) => one.id === id && one.status === 'SUSPENDED'),
    )
    const begun = await drain(host, '--no-wait').ending
    assert.deepEqual([begun.status, begun.out], [0, `${host} is being emptied of 1 servers.\n`])
    const watched = await drain(host).ending
    assert.equal(watched.status, 1)
    assert.match(
      watched.err,
      new RegExp(`${id} \\(back\\) stays: a server that is suspended cannot be moved`),
    )
    assert.equal((await drain(host, '--stop').ending).status, 0)
  })

  test('of a host that there is not, and without a host, says so', async () => {
    const unknown = await drain('nowhere').ending
    assert.notEqual(unknown.status, 0)
    assert.match(unknown.err, /no host nowhere/)
    const none = await drain().ending
    assert.equal(none.status, 2)
    assert.match(none.err, /HOST is missing/)
  })

  const onHost = async (): Promise<number> => (await servers()).filter((one) => one.host === host).length
})
