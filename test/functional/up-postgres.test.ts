import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../support/lodge-process.ts'
import { login } from '../support/openstack-api.ts'
import { startPrivatePostgres, type PrivatePostgres } from '../support/private-postgres.ts'
import { until } from '../support/until.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

describe('lodge up on PostgreSQL', { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-up-pg-'))
  const settings = join(directory, 'lodge.json')
  const state = join(directory, 'state')
  let server: PrivatePostgres
  let lodge: LodgeProcess

  const run = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words, '--config', settings], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    return { status, out: stdout, err: stderr }
  }

  before(async () => {
    server = await startPrivatePostgres()
    const url = (await server.database()).replace('lodge@', 'lodge:very-secret@')
    writeFileSync(settings, JSON.stringify({ stateDirectory: state, store: { url }, simulate: { hosts: 3 } }))
  })
  after(async () => {
    await lodge?.stop()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('before the first start there is nothing to look at', () => {
    const { status, err } = run('status')
    assert.equal(status, 2)
    assert.match(err, /holds no Lodge state yet/)
  })

  it('status and doctor see its hosts', async () => {
    lodge = await startLodge({ state, port: await freePort(), flags: ['--config', settings] })
    const api = await login(lodge.cloudsFile, lodge.url)
    const hosts = await until('the hosts to report', 20_000, async () => {
      const { body } = await api.must('GET', '/compute/v2.1/os-hypervisors')
      return body.hypervisors.length === 3 && body.hypervisors
    })
    assert.equal(hosts.length, 3)
    const { status, out } = run('status')
    assert.equal(status, 0, out)
    assert.match(out, /Lodge is running\./)
    assert.match(out, /Servers: none/)
    assert.deepEqual([run('doctor').status, run('doctor').err], [0, ''])
  })

  it('says nowhere what the password is', () => {
    const { status, out } = run('config', 'show')
    assert.equal(status, 0)
    assert.match(out, /postgres:\/\/lodge:\*\*\*@127\.0\.0\.1/)
    for (const text of [out, readFileSync(lodge.logFile, 'utf8')]) assert.doesNotMatch(text, /very-secret/)
  })

  it('answers 503 while the server is away, and goes on when it is back', async () => {
    const api = await login(lodge.cloudsFile, lodge.url)
    await server.kill9()
    const away = await api.call('GET', '/compute/v2.1/flavors')
    assert.equal(away.status, 503)
    await server.start()
    await until('the API to answer', 20_000, async () => {
      return (await api.call('GET', '/compute/v2.1/flavors')).status === 200
    })
  })
})
