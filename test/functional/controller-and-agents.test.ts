import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { loadConfig } from '../../src/base/load-config.ts'
import { newUuid } from '../../src/base/ids.ts'
import { connectNats } from '../../src/bus/nats-connect.ts'
import { newAgentKey, publicKeyOf, seedIn, subjectOfClaims } from '../../src/bus/nats-keys.ts'
import { agentInbox } from '../../src/bus/nats-subjects.ts'
import { startAgentProcess, type AgentProcess } from '../../src/daemon/agent-process.ts'
import { startController, type Controller } from '../../src/daemon/controller.ts'
import { joinFleet } from '../../src/daemon/join-fleet.ts'
import { readMembership } from '../../src/daemon/membership.ts'
import { createRemoteImages } from '../../src/daemon/remote-images.ts'
import { tinyQcow2 } from '../../src/hypervisor/simulated/tiny-qcow2.ts'
import { freePort } from '../support/free-port.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { startPrivateNats, type PrivateNats } from '../support/private-nats.ts'
import { until } from '../support/until.ts'

describe('a controller and agents that speak over NATS', { timeout: 180_000 }, () => {
  let nats: PrivateNats
  let controller: Controller
  let agent: AgentProcess
  let api: OpenStackApi
  const directory = mkdtempSync(join(tmpdir(), 'lodge-fleet-'))
  const log = silentLogger()
  const image = tinyQcow2()
  let [imageId, flavorId] = ['', '']

  const invite = async (
    asked: object = {},
  ): Promise<{ token: string; url: string; ca_fingerprint: string }> =>
    (await api.must('POST', '/lodge/v1/host-invites', { invite: asked })).body.invite
  const stateOf = (name: string): string => join(directory, name)
  const joinAs = (host: string, token: string, more: { caFingerprint?: string } = {}) =>
    joinFleet({
      config: loadConfig(undefined, { stateDirectory: stateOf(host), agent: { hostName: host } }),
      url: `${controller.url}/lodge/v1`,
      token,
      simulated: false,
      ...more,
    })
  const create = async (name: string): Promise<string> => {
    const server = { name, imageRef: imageId, flavorRef: flavorId, networks: 'none' }
    return (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
  }
  const reach = (id: string, status: string, milliseconds = 60_000) =>
    until(`server ${id} to become ${status}`, milliseconds, async () => {
      const { body } = await api.must('GET', `/compute/v2.1/servers/${id}`)
      assert.notEqual(body.server.status, 'ERROR', JSON.stringify(body.server.fault))
      return body.server.status === status
    })

  before(async () => {
    nats = await startPrivateNats({ tls: true })
    const bus = { url: nats.url, caFile: nats.caFile }
    const listen = { host: '127.0.0.1', port: await freePort() }
    const config = loadConfig(undefined, { stateDirectory: nats.state, listen, bus })
    controller = await startController({ config, log })
    api = await login(controller.cloudsFile, controller.url)

    const simulated = loadConfig(undefined, { stateDirectory: stateOf('fleet'), simulate: { hosts: 3 } })
    const { token, ca_fingerprint: caFingerprint, url } = await invite({ host: 'simulated-*' })
    await joinFleet({ config: simulated, url, token, caFingerprint, simulated: true })
    agent = await startAgentProcess({ config: simulated, log })

    const wanted = { name: 'tiny', disk_format: 'qcow2', container_format: 'bare', visibility: 'public' }
    imageId = (await api.must('POST', '/image/v2/images', wanted)).body.id
    await api.must('PUT', `/image/v2/images/${imageId}/file`, image)
    const flavor = { name: 'tiny', vcpus: 1, ram: 64, disk: 1 }
    flavorId = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  })
  after(async () => {
    await agent?.stop()
    await controller?.stop()
    await nats?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  test('servers are built, snapshot and deleted on hosts that are elsewhere', async () => {
    assert.equal(agent.connected, true)
    const id = await create('one')
    await reach(id, 'ACTIVE')
    const { body } = await api.must('POST', `/compute/v2.1/servers/${id}/action`, {
      createImage: { name: 'snap' },
    })
    await until('the snapshot', 30_000, async () => {
      const shown = await api.must('GET', `/image/v2/images/${body.image_id}`)
      return shown.body.status === 'active' && shown.body.size > 0
    })
    await api.must('DELETE', `/compute/v2.1/servers/${id}`)
    await until(
      'the delete',
      30_000,
      async () => (await api.call('GET', `/compute/v2.1/servers/${id}`)).status === 404,
    )
  })

  test('nats-server dies and comes back: what was asked for meanwhile is done', async () => {
    const running = await create('before')
    await reach(running, 'ACTIVE')
    await nats.kill()
    const waiting = await create('meanwhile')
    await api.must('POST', `/compute/v2.1/servers/${running}/action`, { 'os-stop': null })
    await nats.start()
    await reach(waiting, 'ACTIVE')
    await reach(running, 'SHUTOFF')
  })

  test('an invite lets one host join, once, and its credentials are for that host', async () => {
    const { token, ca_fingerprint: caFingerprint } = await invite({ host: 'one.example.org' })
    await assert.rejects(joinAs('two.example.org', token), { kind: 'forbidden' })
    assert.equal(await joinAs('one.example.org', token, { caFingerprint }), 'one.example.org')
    const member = readMembership(stateOf('one.example.org'))!
    assert.equal(member.natsUrl, nats.url)
    assert.equal(statSync(member.credentialsFile).mode & 0o777, 0o600)
    assert.equal(readFileSync(member.caFile!, 'utf8'), readFileSync(nats.caFile!, 'utf8'))
    await assert.rejects(joinAs('one.example.org', token), { kind: 'conflict' })
  })

  test('tokens that are unknown or for another are refused, and so is nonsense', async () => {
    await assert.rejects(joinAs('three', 'made-up'), { kind: 'unauthorized' })
    const open = await invite()
    await assert.rejects(joinAs('one.example.org', open.token), { kind: 'conflict' })
    const join = (body: object) =>
      fetch(`${controller.url}/lodge/v1/agents/join`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const { publicKey } = newAgentKey()
    const good = { token: open.token, host: 'three', public_key: publicKey }
    for (const [wrong, status] of [
      [{ public_key: 'UNONSENSE' }, 400],
      [{ host: 'a b' }, 400],
      [{ host: '*' }, 400],
      [{ host: 'simulated-*' }, 403],
    ] as const)
      assert.equal((await join({ ...good, ...wrong })).status, status, JSON.stringify(wrong))
    const joined = await join(good)
    assert.equal(joined.status, 200)
    assert.equal(subjectOfClaims(((await joined.json()) as { jwt: string }).jwt), publicKey)
    assert.equal((await join(good)).status, 409)
    const refused = await joinAs('four', (await invite()).token, { caFingerprint: '00' }).catch((e) => e)
    assert.equal(refused.kind, 'forbidden')
  })

  test('an invite is for administrators to make, and expires', async () => {
    const asked = { invite: { minutes: 1 } }
    assert.equal(
      (await api.call('POST', '/lodge/v1/host-invites', asked, { 'x-auth-token': 'x' })).status,
      401,
    )
    assert.equal((await api.call('POST', '/lodge/v1/host-invites', { invite: { minutes: 0 } })).status, 400)
    const { token } = await invite({ host: 'late', minutes: 1 })
    const database = new DatabaseSync(join(nats.state, 'lodge.db'))
    database.prepare('UPDATE agent_invites SET expires_at = ? WHERE host = ?').run(Date.now() - 1, 'late')
    database.close()
    await assert.rejects(joinAs('late', token), { kind: 'unauthorized', message: /expired/ })
  })

  test('images go to agents that sign, and to nobody else', async () => {
    await joinAs('five', (await invite({ host: 'five' })).token)
    const member = readMembership(stateOf('five'))!
    const at = join(directory, 'fetched')
    await createRemoteImages(member, systemClock).fetch(imageId, at)
    assert.deepEqual(readFileSync(at), Buffer.from(image))
    await assert.rejects(createRemoteImages(member, systemClock).fetch(newUuid(), join(directory, 'no')), {
      kind: 'notFound',
    })

    const fetchAs = (images: ReturnType<typeof createRemoteImages>) =>
      images.fetch(imageId, join(directory, 'refused'))
    const posing = { ...member, host: 'one.example.org' }
    await assert.rejects(fetchAs(createRemoteImages(posing, systemClock)), { kind: 'forbidden' })
    const late = { ...systemClock, now: () => Date.now() - 3_600_000 }
    await assert.rejects(fetchAs(createRemoteImages(member, late)), { kind: 'forbidden' })
    const bare = await fetch(`${controller.url}/lodge/v1/agent-images/${imageId}`)
    assert.equal(bare.status, 401)
  })

  const connectionOf = (host: string) => {
    const member = readMembership(stateOf(host))!
    return connectNats({ ...member, url: member.natsUrl, name: host, inboxPrefix: agentInbox(host) })
  }
  const isRefused = (host: string): Promise<boolean> =>
    connectionOf(host).then(
      async (open) => {
        await open.close()
        return false
      },
      (error) => error.kind === 'unauthorized',
    )

  test('a host whose key is revoked is shut out at once, of images and of NATS, also after a restart of that', async () => {
    await joinAs('six', (await invite({ host: 'six' })).token)
    const member = readMembership(stateOf('six'))!
    const open = await connectionOf('six')
    const { agent: six, nats_refuses: natsRefuses } = (await api.must('DELETE', '/lodge/v1/agents/six')).body
    assert.equal(natsRefuses, true)
    await open.closed()
    assert.equal(await isRefused('six'), true)
    const { agents } = (await api.must('GET', '/lodge/v1/agents')).body
    assert.deepEqual(
      agents.find((one: { host: string }) => one.host === 'six'),
      six,
    )
    await assert.rejects(createRemoteImages(member, systemClock).fetch(imageId, join(directory, 'revoked')), {
      kind: 'forbidden',
    })
    await nats.kill()
    await nats.start()
    assert.equal(await isRefused('six'), true)
    assert.equal((await api.call('DELETE', '/lodge/v1/agents/nobody')).status, 404)
    await reach(await create('after'), 'ACTIVE')
  })

  test('a host that joins anew has its new key, and its old one is void at once', async () => {
    await joinAs('seven', (await invite({ host: 'seven' })).token)
    const stolen = readMembership(stateOf('seven'))!
    const copy = join(directory, 'stolen.creds')
    cpSync(stolen.credentialsFile, copy)
    await joinAs('seven', (await invite({ host: 'seven' })).token)
    const old = connectNats({ ...stolen, url: stolen.natsUrl, name: 'old', credentialsFile: copy })
    await assert.rejects(old, { kind: 'unauthorized' })
    assert.equal(await isRefused('seven'), false)
    const publicKey = publicKeyOf(seedIn(readFileSync(copy, 'utf8'))!)
    const again = await fetch(`${controller.url}/lodge/v1/agents/join`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        token: (await invite({ host: 'seven' })).token,
        host: 'seven',
        public_key: publicKey,
      }),
    })
    assert.equal(again.status, 409)
  })

  test('what is revoked while nats-server is away is refused once it is back', async () => {
    await joinAs('eight', (await invite({ host: 'eight' })).token)
    await nats.kill()
    const { nats_refuses: natsRefuses } = (await api.must('DELETE', '/lodge/v1/agents/eight')).body
    assert.equal(natsRefuses, false)
    await nats.start()
    await until('the refusal', 20_000, () => isRefused('eight'))
  })

  test('nats-server is killed again and again under a load: nothing is lost, stuck or doubled', async () => {
    await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, {
      quota_set: { instances: -1, cores: -1, ram: -1 },
    })
    const before = (await api.must('GET', '/compute/v2.1/servers')).body.servers.length
    const ids: string[] = []
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 6; i++) ids.push(await create(`load-${round}-${i}`))
      await nats.kill()
      for (const id of ids.slice(-3)) await api.must('DELETE', `/compute/v2.1/servers/${id}`)
      for (let i = 0; i < 2; i++) ids.push(await create(`dark-${round}-${i}`))
      await nats.start()
    }
    const gone = ids.filter((_id, index) => index % 8 >= 3 && index % 8 < 6)
    const kept = ids.filter((id) => !gone.includes(id))
    for (const id of kept) await reach(id, 'ACTIVE')
    for (const id of gone)
      await until(
        `server ${id} to go`,
        60_000,
        async () => (await api.call('GET', `/compute/v2.1/servers/${id}`)).status === 404,
      )
    const after = (await api.must('GET', '/compute/v2.1/servers')).body.servers.length
    assert.equal(after - before, kept.length)
    for (const id of kept) await api.must('DELETE', `/compute/v2.1/servers/${id}`)
    await until('all of them to go', 60_000, async () => {
      const { servers } = (await api.must('GET', '/compute/v2.1/servers')).body
      return servers.length === before
    })
  })

  test('an agent starts without NATS, and serves once it is there; a second one of its name does not', async () => {
    const simulated = (name: string) =>
      loadConfig(undefined, { stateDirectory: stateOf(name), simulate: { hosts: 3 } })
    await agent.stop()
    await nats.kill()
    agent = await startAgentProcess({ config: simulated('fleet'), log, graceMs: 200 })
    assert.equal(agent.connected, false)
    await nats.start()
    await reach(await create('late'), 'ACTIVE')

    const { token, url } = await invite({ host: 'simulated-*' })
    await joinFleet({ config: simulated('twin'), url, token, simulated: true })
    await assert.rejects(startAgentProcess({ config: simulated('twin'), log }), { kind: 'conflict' })
  })

  test('an agent fills snapshots of its own servers, and no other image', async () => {
    const member = readMembership(stateOf('five'))!
    const wanted = { name: 'queued', disk_format: 'qcow2', container_format: 'bare' }
    const { id } = (await api.must('POST', '/image/v2/images', wanted)).body
    const source = join(directory, 'upload')
    writeFileSync(source, image)
    await assert.rejects(createRemoteImages(member, systemClock).store(id, source), { kind: 'forbidden' })
    assert.equal((await api.must('GET', `/image/v2/images/${id}`)).body.status, 'queued')
  })
})

describe('the commands of a fleet', { timeout: 180_000 }, () => {
  const main = join(import.meta.dirname, '../../src/main.ts')
  const directory = mkdtempSync(join(tmpdir(), 'lodge-fleet-commands-'))
  const children: ChildProcess[] = []
  const end = async (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await gone
  }
  after(async () => {
    for (const child of children.reverse()) await end(child, 'SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  const lodge = (...words: string[]) =>
    promisify(execFile)(process.execPath, [main, ...words], { timeout: 60_000 }).then(
      ({ stdout }) => ({ status: 0, output: stdout }),
      (error) => ({ status: error.code as number, output: `${error.stdout}${error.stderr}` }),
    )
  const daemon = async (sign: string, ...words: string[]): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(`'${sign}' from lodge ${words[0]}`, 60_000, () => {
      assert.equal(child.exitCode, null, said)
      return said.includes(sign)
    })
    return child
  }

  test('from nothing to a fleet, as a person types it; a controller that is killed is not missed for long', async () => {
    const [natsPort, apiPort] = [await freePort(), await freePort()]
    const [state, host] = [join(directory, 'controller'), join(directory, 'host')]
    const settings = join(directory, 'settings.json')
    writeFileSync(settings, JSON.stringify({ bus: { url: `nats://127.0.0.1:${natsPort}` } }))
    const controllerWords = ['--state', state, '--config', settings]

    const early = await lodge('controller', '--state', state)
    assert.equal(early.status, 2)
    assert.match(early.output, /set bus.url/)
    const init = await lodge('fleet', 'init', '--state', state, '--nats-listen', `127.0.0.1:${natsPort}`)
    assert.match(init.output, /nats-server -c/)
    const without = await lodge('controller', ...controllerWords)
    assert.equal(without.status, 1)
    assert.match(without.output, /NATS at .* cannot be reached/)

    const nats = spawn('nats-server', ['-c', join(state, 'fleet', 'nats-server.conf')], {
      stdio: 'ignore',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    })
    children.push(nats)
    const startOne = () =>
      daemon('is up at', 'controller', ...controllerWords, '--listen', `127.0.0.1:${apiPort}`)
    const controller = await until('NATS to take a controller', 20_000, () =>
      startOne().catch(() => undefined),
    )

    assert.match((await lodge('agent', '--state', host)).output, /has not joined/)
    const invited = await lodge('host', 'invite', '--simulated', '--state', state)
    const [program, ...words] = invited.output.trim().split(' ')
    assert.equal(program, 'lodge')
    const joined = await lodge(...words, '--state', host)
    assert.match(joined.output, /has joined/)
    assert.equal((await lodge(...words, '--state', host)).status, 1)
    await daemon('is up', 'agent', '--simulate', '2', '--state', host)
    const status = await lodge('agent', 'status', '--state', host)
    assert.deepEqual([status.status, /is running/.test(status.output)], [0, true])

    await end(controller, 'SIGKILL')
    await startOne()
    const api = await login(join(state, 'clouds.yaml'), `http://127.0.0.1:${apiPort}`)
    await until('both hosts to be up', 30_000, async () => {
      const { body } = await api.must('GET', '/compute/v2.1/os-hypervisors')
      return body.hypervisors.filter((one: { state: string }) => one.state === 'up').length === 2
    })
  })
})
