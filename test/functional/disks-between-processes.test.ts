/** Simulated hosts of two agent processes send each other the disks of their servers, over the agents' own TLS channel. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Config } from '../../src/base/config.ts'
import { loadConfig } from '../../src/base/load-config.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { startAgentProcess, type AgentProcess } from '../../src/daemon/agent-process.ts'
import { startController, type Controller } from '../../src/daemon/controller.ts'
import { joinFleet } from '../../src/daemon/join-fleet.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { freePort } from '../support/free-port.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { startPrivateNats, type PrivateNats } from '../support/private-nats.ts'
import { until } from '../support/until.ts'

describe('disks between two agent processes of simulated hosts', { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-two-agents-'))
  const log = silentLogger()
  let nats: PrivateNats
  let controller: Controller
  let api: OpenStackApi
  const agents: AgentProcess[] = []

  before(async () => {
    nats = await startPrivateNats()
    const listen = { host: '127.0.0.1', port: await freePort() }
    const config = loadConfig(undefined, { stateDirectory: nats.state, listen, bus: { url: nats.url } })
    controller = await startController({ config, log })
    api = await login(controller.cloudsFile, controller.url)
    const { token, url } = (
      await api.must('POST', '/lodge/v1/host-invites', { invite: { host: 'simulated-*' } })
    ).body.invite
    const settingsOf = (first: number): Config => {
      const stateDirectory = join(directory, `agents-${first}`)
      const wanted = loadConfig(undefined, { stateDirectory, simulate: { hosts: 1, first } })
      wanted.agent.diskTransfer.listen = '127.0.0.1'
      wanted.agent.migration.address = '127.0.0.1'
      return wanted
    }
    await joinFleet({ config: settingsOf(1), url, token, simulated: true })
    // The fleet has joined once; its processes have copies of its credentials.
    mkdirSync(join(directory, 'agents-2'))
    for (const name of ['agent.json', 'agent.creds'])
      cpSync(join(directory, 'agents-1', name), join(directory, 'agents-2', name))
    for (const first of [1, 2]) agents.push(await startAgentProcess({ config: settingsOf(first), log }))
  })
  after(async () => {
    for (const agent of agents) await agent.stop()
    await controller?.stop()
    await nats?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  test('a server goes from one to the other, is taken back, and goes for good', async () => {
    const image = { name: 'tiny', disk_format: 'qcow2', container_format: 'bare' }
    const imageRef: string = (await api.must('POST', '/image/v2/images', image)).body.id
    await api.must('PUT', `/image/v2/images/${imageRef}/file`, tinyQcow2())
    const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
    const flavorRef: string = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
    const zone = 'nova:simulated-1'
    const server = { name: 'one', imageRef, flavorRef, networks: 'none', availability_zone: zone }
    const { id } = (await api.must('POST', '/compute/v2.1/servers', { server })).body.server
    const act = (action: object) => api.must('POST', `/compute/v2.1/servers/${id}/action`, action)
    const reach = (status: string, host: string) =>
      until(`${status} on ${host}`, 30_000, async () => {
        const { body } = await api.must('GET', `/compute/v2.1/servers/${id}`)
        assert.notEqual(body.server.status, 'ERROR', JSON.stringify(body.server.fault))
        return body.server.status === status && body.server['OS-EXT-SRV-ATTR:host'] === host
      })

    await reach('ACTIVE', 'simulated-1')
    await act({ migrate: { host: 'simulated-2' } })
    await reach('VERIFY_RESIZE', 'simulated-2')
    await act({ revertResize: null })
    await reach('ACTIVE', 'simulated-1')
    await act({ migrate: { host: 'simulated-2' } })
    await reach('VERIFY_RESIZE', 'simulated-2')
    await act({ confirmResize: null })
    await reach('ACTIVE', 'simulated-2')
  })
})
