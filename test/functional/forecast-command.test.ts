/** `lodge forecast`, against a Lodge with simulated hosts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, mock, test } from 'node:test'
import { loadConfig } from '../../src/base/load-config.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { run } from '../../src/cli/run.ts'
import { startUp, type LodgeUp } from '../../src/daemon/up.ts'
import { freePort } from '../support/free-port.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-forecast-'))
const state = join(directory, 'state')
let up: LodgeUp
let api: OpenStackApi
let server: Record<string, string>

before(async () => {
  const config = loadConfig(undefined, {
    stateDirectory: state,
    listen: { host: '127.0.0.1', port: await freePort() },
    simulate: { hosts: 2 },
  })
  up = await startUp({ config, log: silentLogger() })
  api = await login(up.cloudsFile, up.url)
  const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
  const flavorRef = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  const wanted = { name: 'image', disk_format: 'raw', container_format: 'bare' }
  const imageRef = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageRef}/file`, Buffer.alloc(4096, 7))
  const asked = { name: 'one', flavorRef, imageRef, networks: 'none' }
  const made = await api.must('POST', '/compute/v2.1/servers', { server: asked })
  server = await untilSettled(made.body.server.id)
})

after(async () => {
  await up?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const show = async (id: string): Promise<Record<string, string>> =>
  (await api.must('GET', `/compute/v2.1/servers/${id}`)).body.server

async function untilSettled(id: string): Promise<Record<string, string>> {
  await until('the server', 30_000, async () => (await show(id))['status'] === 'ACTIVE')
  return show(id)
}

const hostOf = (of: Record<string, string>): string => of['OS-EXT-SRV-ATTR:host']!

async function forecast(...words: string[]) {
  const out: string[] = []
  const err: string[] = []
  const log = mock.method(console, 'log', (line: string) => void out.push(line))
  const error = mock.method(console, 'error', (line: string) => void err.push(line))
  try {
    const status = await run(['forecast', ...words, '--state', state])
    return { status, out: out.join('\n'), err: err.join('\n') }
  } finally {
    log.mock.restore()
    error.mock.restore()
  }
}

test('tells by name or by id what a live migration would come to', async () => {
  const { status, out } = await forecast('one')
  assert.equal(status, 0)
  assert.match(out, /^It comes to an end by itself\. /)
  assert.match(out, new RegExp(`LIVE MIGRATION +from ${hostOf(server)} to another host`))
  assert.match(out, /memory +64\.0 MiB +0\.0 MiB\/s written/)
  assert.match(out, /bandwidth +100\.0 MiB\/s +assumed/)
  assert.match(out, /takes +11\.0 s\nstands still +100 ms$/)
  assert.equal((await forecast(server['id']!)).out, out)
})

test('says what was asked for wrongly', async () => {
  assert.match((await forecast()).err, /SERVER is missing; usage: lodge forecast SERVER/)
  assert.deepEqual(await forecast('nobody'), {
    status: 1,
    out: '',
    err: 'lodge forecast: There is no server nobody',
  })
  assert.match((await forecast('one', 'nowhere')).err, /There is no host nowhere\./)
  assert.match((await forecast('one', hostOf(server))).err, /is on host .* already/)
})

test('moves the server where it is told to', async () => {
  const to = hostOf(server) === 'simulated-1' ? 'simulated-2' : 'simulated-1'
  const { status, out } = await forecast('one', to, '--move')
  assert.equal(status, 0)
  assert.match(out, /It is on its way/)
  await until('the server to have moved', 30_000, async () => hostOf(await show(server['id']!)) === to)
})
