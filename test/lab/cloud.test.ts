/** Lodge in the lab: a controller, two hosts with agents, a server that is moved alive, a host that crashes. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lab } from '../../src/lab/lab.ts'
import { startCloud, type LabCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'
import { guestsOn } from './blank-guest.ts'
import { marksOf, tracesOf } from './traces.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-lab-'))
let lab: Lab
let cloud: LabCloud
let api: OpenStackApi
let serverId: string

describe('Lodge on the hosts of a lab', { timeout: 400_000 }, () => {
  before(async () => {
    lab = await startLab({ hosts: 2, directory })
    cloud = await startCloud(lab)
    api = await login(cloud.cloudsFile, cloud.url)
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('has the hosts of the lab for hypervisors', async () => {
    const { body } = await api.must('GET', '/compute/v2.1/os-hypervisors/detail')
    const shown = body.hypervisors.map((one: Record<string, string>) => [
      one['hypervisor_hostname'],
      one['host_ip'],
      one['state'],
    ])
    assert.deepEqual(shown.sort(), [
      ['host1', '10.77.0.1', 'up'],
      ['host2', '10.77.0.2', 'up'],
    ])
  })

  test('boots a server on the host that was asked for', async () => {
    const image = await buildGuestImage({ directory: join(directory, 'images') })
    const wanted = { name: 'guest', disk_format: 'qcow2', container_format: 'bare' }
    const imageRef: string = (await api.must('POST', '/image/v2/images', wanted)).body.id
    await api.must('PUT', `/image/v2/images/${imageRef}/file`, readFileSync(image.path))
    const flavor = { name: 'tiny', vcpus: 1, ram: 128, disk: 1 }
    const flavorRef: string = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id

    const server = { name: 'one', imageRef, flavorRef, networks: 'none', availability_zone: 'nova:host1' }
    serverId = (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
    await reach('ACTIVE', 'host1')
    assert.equal((await guestsOn(lab.hosts[0]!)).length, 1)
  })

  test('moves it alive to the other host', async () => {
    await api.must('POST', `/compute/v2.1/servers/${serverId}/action`, {
      'os-migrateLive': { host: 'host2', block_migration: 'auto' },
    })
    await reach('ACTIVE', 'host2')
    assert.deepEqual(await Promise.all(lab.hosts.map(async (host) => (await guestsOn(host)).length)), [0, 1])
  })

  test("a crashed host's agent is back with the host", async () => {
    const [, host] = lab.hosts
    await host!.kill()
    // As long as machines take to boot. The controller does not believe a census within 5 s of a change.
    await delay(6000)
    await host!.start()
    await until('its server to be seen off', 60_000, async () => (await show())['status'] === 'SHUTOFF')
    await api.must('POST', `/compute/v2.1/servers/${serverId}/action`, { 'os-start': null })
    await reach('ACTIVE', 'host2')
    assert.equal((await guestsOn(host!)).length, 1)
  })

  test('NATS and the controller that are killed run again, and what is asked for meanwhile is done', async () => {
    const act = (action: object): Promise<unknown> =>
      api.must('POST', `/compute/v2.1/servers/${serverId}/action`, action)
    for (const [name, action, status] of [
      ['nats', { pause: null }, 'PAUSED'],
      ['controller', { unpause: null }, 'ACTIVE'],
    ] as const) {
      const service = lab.service(name)
      const before = service.pid()
      await act(action)
      await service.kill()
      await until(`another ${name}`, 20_000, () => ![undefined, before].includes(service.pid()))
      await until('the API', 30_000, () =>
        api.call('GET', '/').then(
          () => true,
          () => false,
        ),
      )
      await reach(status, 'host2')
    }
  })

  test('ends with the lab', async () => {
    const marks = marksOf(lab)
    await lab.stop()
    assert.deepEqual(tracesOf(marks), [])
    assert.equal(existsSync(join(directory, 'cloud')), false)
    await assert.rejects(fetch(cloud.url))
  })
})

async function show(): Promise<Record<string, unknown>> {
  return (await api.must('GET', `/compute/v2.1/servers/${serverId}`)).body.server
}

async function reach(status: string, host: string): Promise<void> {
  let last: Record<string, unknown> = {}
  await until(
    `the server to be ${status} on ${host}`,
    90_000,
    async () => {
      last = await show()
      assert.notEqual(last['status'], 'ERROR', JSON.stringify(last['fault']))
      return last['status'] === status && last['OS-EXT-SRV-ATTR:host'] === host
    },
    300,
  )
}
