import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../../src/base/logging.ts'
import { loadConfig } from '../../src/base/load-config.ts'
import { startAgentProcess, type AgentProcess } from '../../src/daemon/agent-process.ts'
import { startController, type Controller } from '../../src/daemon/controller.ts'
import { connectNats } from '../../src/bus/nats-connect.ts'
import { joinFleet } from '../../src/daemon/join-fleet.ts'
import { readMembership } from '../../src/daemon/membership.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { freePort } from '../support/free-port.ts'
import { login, loginAs, readPassword, type OpenStackApi } from '../support/openstack-api.ts'
import { startPrivateNats, type PrivateNats } from '../support/private-nats.ts'
import { startPrivatePostgres, type PrivatePostgres } from '../support/private-postgres.ts'
import { until } from '../support/until.ts'

describe('two controllers of one fleet, on PostgreSQL and NATS', { timeout: 180_000 }, () => {
  let postgres: PrivatePostgres
  let nats: PrivateNats
  let agent: AgentProcess
  const controllers: Controller[] = []
  const apis: OpenStackApi[] = []
  const directory = mkdtempSync(join(tmpdir(), 'lodge-two-'))
  let [imageId, flavorId] = ['', '']

  const create = async (api: OpenStackApi, name: string): Promise<string> => {
    const server = { name, imageRef: imageId, flavorRef: flavorId, networks: 'none' }
    return (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
  }
  const reach = (api: OpenStackApi, id: string, status: string) =>
    until(`server ${id} to become ${status}`, 60_000, async () => {
      const { body } = await api.must('GET', `/compute/v2.1/servers/${id}`)
      assert.notEqual(body.server.status, 'ERROR', JSON.stringify(body.server.fault))
      return body.server.status === status
    })

  before(async () => {
    postgres = await startPrivatePostgres()
    nats = await startPrivateNats()
    const url = await postgres.database()
    for (const name of ['one', 'two']) {
      const stateDirectory = join(directory, name)
      // Controllers of one fleet have the same keys.
      cpSync(join(nats.state, 'fleet'), join(stateDirectory, 'fleet'), { recursive: true })
      const config = loadConfig(undefined, {
        stateDirectory,
        listen: { host: '127.0.0.1', port: await freePort() },
        store: { url },
        bus: { url: nats.url },
        conductor: { leaseSeconds: 6 },
      })
      controllers.push(await startController({ config, log: silentLogger() }))
    }
    const { cloudsFile } = controllers[0]!
    apis.push(await login(cloudsFile, controllers[0]!.url))
    const admin = { user: 'admin', password: readPassword(cloudsFile), project: 'admin' }
    apis.push(await loginAs(admin, controllers[1]!.url))

    const simulated = loadConfig(undefined, {
      stateDirectory: join(directory, 'hosts'),
      simulate: { hosts: 4 },
    })
    const invite = { invite: { host: 'simulated-*' } }
    const { token, url: join_ } = (await apis[1]!.must('POST', '/lodge/v1/host-invites', invite)).body.invite
    await joinFleet({ config: simulated, url: join_, token, simulated: true })
    agent = await startAgentProcess({ config: simulated, log: silentLogger() })

    const wanted = { name: 'tiny', disk_format: 'qcow2', container_format: 'bare', visibility: 'public' }
    imageId = (await apis[0]!.must('POST', '/image/v2/images', wanted)).body.id
    await apis[0]!.must('PUT', `/image/v2/images/${imageId}/file`, tinyQcow2())
    const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
    flavorId = (await apis[0]!.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  })
  after(async () => {
    await agent?.stop()
    for (const controller of controllers) await controller.stop()
    await nats?.remove()
    await postgres?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('both take requests, both know every host, and each server shows at both', async () => {
    const ids = await Promise.all(apis.flatMap((api) => [create(api, 'a'), create(api, 'b')]))
    for (const id of ids) for (const api of apis) await reach(api, id, 'ACTIVE')
    for (const api of apis) {
      const { body } = await api.must('GET', '/compute/v2.1/os-hypervisors')
      assert.equal(body.hypervisors.filter((one: { state: string }) => one.state === 'up').length, 4)
    }
  })

  test('an image that is uploaded at one is the other’s too, and goes from both', async () => {
    const [first, second] = apis as [OpenStackApi, OpenStackApi]
    const data = randomBytes(3_000_000)
    const wanted = { name: 'large', disk_format: 'raw', container_format: 'bare' }
    const { id } = (await first.must('POST', '/image/v2/images', wanted)).body
    await first.must('PUT', `/image/v2/images/${id}/file`, data)
    const answer = await fetch(`${second.url}/image/v2/images/${id}/file`, {
      headers: { 'x-auth-token': second.token },
    })
    assert.equal(Buffer.from(await answer.arrayBuffer()).equals(data), true)
    const file = (name: string): boolean => existsSync(join(directory, name, 'images', id))
    assert.deepEqual([file('one'), file('two')], [true, true])
    await second.must('DELETE', `/image/v2/images/${id}`)
    await until('the file to go from both', 10_000, () => !file('one') && !file('two'))
  })

  test('a host that is revoked at one is refused, whichever controllers there are', async () => {
    const config = loadConfig(undefined, {
      stateDirectory: join(directory, 'shut'),
      agent: { hostName: 'shut' },
    })
    const invite = { invite: { host: 'shut' } }
    const { token, url } = (await apis[0]!.must('POST', '/lodge/v1/host-invites', invite)).body.invite
    await joinFleet({ config, url, token, simulated: false })
    const member = readMembership(join(directory, 'shut'))!
    const connection = () => connectNats({ ...member, url: member.natsUrl, name: 'shut' })
    const open = await connection()
    const { body } = await apis[1]!.must('DELETE', '/lodge/v1/agents/shut')
    assert.equal(body.nats_refuses, true)
    await open.closed()
    await assert.rejects(connection(), { kind: 'unauthorized' })
  })

  test('one stops in the middle, and the other brings its work to an end', async () => {
    const ids = await Promise.all([create(apis[0]!, 'c'), create(apis[0]!, 'd')])
    await controllers.shift()!.stop()
    for (const id of ids) await reach(apis[1]!, id, 'ACTIVE')
    await reach(apis[1]!, await create(apis[1]!, 'e'), 'ACTIVE')
  })
})
