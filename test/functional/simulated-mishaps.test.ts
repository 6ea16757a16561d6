/** A simulated fleet that is slow, fails at its work, and whose hosts fail. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/base/load-config.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { PartialConfig } from '../../src/base/config-schema.ts'
import { startUp } from '../../src/daemon/up.ts'
import { freePort } from '../support/free-port.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'

interface Bed {
  api: OpenStackApi
  create(): Promise<string>
  show(id: string): Promise<Record<string, string>>
  [Symbol.asyncDispose](): Promise<void>
}

async function fleet(simulate: PartialConfig['simulate'], more: PartialConfig = {}): Promise<Bed> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-mishaps-'))
  const config = loadConfig(undefined, {
    ...more,
    stateDirectory: join(directory, 'state'),
    listen: { host: '127.0.0.1', port: await freePort() },
    simulate,
  })
  const lodge = await startUp({ config, log: silentLogger() })
  const api = await login(lodge.cloudsFile, lodge.url)
  const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
  const flavorRef = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  const wanted = { name: 'image', disk_format: 'raw', container_format: 'bare' }
  const imageRef = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageRef}/file`, Buffer.alloc(4096, 7))
  return {
    api,
    async create() {
      const server = { name: 'one', flavorRef, imageRef, networks: 'none' }
      return (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
    },
    show: async (id) => (await api.must('GET', `/compute/v2.1/servers/${id}`)).body.server,
    async [Symbol.asyncDispose]() {
      await lodge.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const ended = ({ status }: Record<string, string>): boolean => status !== 'BUILD'

test('builds take as long as they are told to', { timeout: 60_000 }, async () => {
  await using bed = await fleet({ hosts: 2, latencies: ['spawn=800-900', '*=0'] })
  const beganAt = performance.now()
  const id = await bed.create()
  await until('the server', 20_000, async () => ended(await bed.show(id)))
  assert.equal((await bed.show(id))['status'], 'ACTIVE')
  assert.ok(performance.now() - beganAt >= 790)
})

test(
  'what fails on one host is tried on others, and ends in ERROR where it fails on all',
  { timeout: 60_000 },
  async () => {
    await using half = await fleet({ hosts: 12, failures: ['spawn=0.5'] }, { scheduler: { maxAttempts: 12 } })
    const ids = await Promise.all(Array.from({ length: 8 }, half.create))
    for (const id of ids) {
      await until('the server', 30_000, async () => ended(await half.show(id)))
      assert.equal((await half.show(id))['status'], 'ACTIVE')
    }
    await using none = await fleet({ hosts: 2, failures: ['spawn=1'] })
    const id = await none.create()
    await until('the server', 30_000, async () => ended(await none.show(id)))
    assert.equal((await none.show(id))['status'], 'ERROR')
  },
)

test('hosts fail and come back, and none of their servers is lost', { timeout: 120_000 }, async () => {
  const brisk: PartialConfig = {
    hosts: { downAfterSeconds: 1 },
    agent: { reportSeconds: 0.2 },
  }
  await using bed = await fleet({ hosts: 3, hostFailureSeconds: 3, hostDownSeconds: 2 }, brisk)
  const ids: string[] = []
  for (let i = 0; i < 3; i += 1) ids.push(await bed.create())
  const states = async (): Promise<string[]> =>
    (await bed.api.must('GET', '/compute/v2.1/os-services?binary=nova-compute')).body.services.map(
      ({ state }: { state: string }) => state,
    )
  await until('a host to fail', 40_000, async () => (await states()).includes('down'), 50)
  await until(
    'all hosts to be back',
    60_000,
    async () => (await states()).every((state) => state === 'up'),
    50,
  )
  for (const id of ids) {
    await until('the server to be settled', 60_000, async () => ended(await bed.show(id)))
    assert.match((await bed.show(id))['status']!, /^(ACTIVE|SHUTOFF|ERROR)$/)
  }
})
